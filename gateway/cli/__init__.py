"""The terminal client. It uses only the public API."""
