"""Admin of the index; importing it registers every page."""

from embeddings.admin import campaigns, entries, spend, versions, workers

__all__ = ["campaigns", "entries", "spend", "versions", "workers"]
