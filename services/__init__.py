"""The seven services. They never import each other."""
