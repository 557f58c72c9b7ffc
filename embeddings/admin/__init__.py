"""Admin of the index; importing it registers every page."""

from embeddings.admin import entries, versions, workers

__all__ = ["entries", "versions", "workers"]
