"""What the auth service does, one function per use case."""
