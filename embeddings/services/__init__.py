"""Writes of the embeddings app, one function each."""
