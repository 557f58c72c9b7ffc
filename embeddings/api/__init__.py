"""The HTTP API of the index."""
