"""Where and how Clipstead runs."""
