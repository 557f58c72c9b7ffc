"""Admin of the index; importing it registers every page."""

from embeddings.admin import entries, spend, versions, workers

__all__ = ["entries", "spend", "versions", "workers"]
