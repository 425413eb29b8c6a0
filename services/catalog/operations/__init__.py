"""What catalog does: hears the pipeline (``hearing``), shows and changes the library (``library``), knows people's names."""
