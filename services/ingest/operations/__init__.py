"""The use cases of ingest, one file for each way in, one for checking, one for endings."""
