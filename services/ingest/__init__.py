"""Uploads, URL imports and the bytes of originals."""
