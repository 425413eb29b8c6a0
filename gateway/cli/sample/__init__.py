"""The recording that `./clipstead demo` works on, and how it was made."""
