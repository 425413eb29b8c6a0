"""Turning moments into captioned clips."""
