"""Weights that this service brings along, and how they were made."""
