"""The seam through which the knowledge base asks how its articles fare in the index.

`kb` imports nothing above it; the embeddings app registers its implementation here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class FreshnessState(StrEnum):
    """Where the published revision of an article stands in the live index."""

    NOT_PUBLISHED = "not_published"
    PENDING = "pending"
    EMBEDDING = "embedding"
    SEARCHABLE = "searchable"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """Proof of what answers may use. Tokens are the live encoder's own; lag is in seconds."""

    state: FreshnessState
    revision_id: int | None = None
    searchable_since: datetime | None = None
    lag_seconds: float | None = None
    reason: str = ""
    tokens: int | None = None
    covered_characters: int | None = None
    total_characters: int | None = None
    index_version: int | None = None


class IndexingStatus(Protocol):
    """What the knowledge base may ask of the index."""

    def freshness(self, article_ids: Collection[int]) -> dict[int, Freshness]:
        """One entry per given article that exists, in a constant number of queries."""

    def wait(self, article_ids: Collection[int], *, timeout: float) -> bool:
        """Wait at most `timeout` seconds; whether all published ones are searchable."""


class NoIndexing:
    """Stands in where no index is installed: nothing is ever searchable."""

    def freshness(self, article_ids: Collection[int]) -> dict[int, Freshness]:
        """Everything is as good as unpublished."""
        return {pk: Freshness(state=FreshnessState.NOT_PUBLISHED) for pk in article_ids}

    def wait(self, article_ids: Collection[int], *, timeout: float) -> bool:  # noqa: ARG002 - the seam's shape
        """Only nothing is searchable at once."""
        return not article_ids


_registered: list[IndexingStatus] = [NoIndexing()]


def register(status: IndexingStatus) -> None:
    """Make `status` the one that is asked."""
    _registered[:] = [status]


def indexing_status() -> IndexingStatus:
    """The registered implementation."""
    return _registered[0]
