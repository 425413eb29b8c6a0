"""What the stream service does, one function per use case."""
