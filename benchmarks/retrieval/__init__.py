"""Retrieval against the frameworks that people would build it with, and against its own parts."""
