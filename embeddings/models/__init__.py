"""Rows of the embeddings app."""

from embeddings.models.entry import EntryState, IndexEntry
from embeddings.models.index_version import IndexVersion, Strategy, VersionState
from embeddings.models.spend import TokenSpend
from embeddings.models.vectors import ArticleVector, PassageVector, PassageWords
from embeddings.models.worker import WorkerHeartbeat

__all__ = [
    "ArticleVector",
    "EntryState",
    "IndexEntry",
    "IndexVersion",
    "PassageVector",
    "PassageWords",
    "Strategy",
    "TokenSpend",
    "VersionState",
    "WorkerHeartbeat",
]
