"""Finding the moments of a recording that are worth sharing."""
