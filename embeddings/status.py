"""Where an index version stands, counted from the rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q, Sum

from embeddings.hnsw import VectorIndex, vector_indexes
from embeddings.models import EntryState, IndexEntry, IndexVersion
from embeddings.partitions import ARTICLES, PASSAGES

KINDS = {ARTICLES: "articles", PASSAGES: "passages"}


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorIndexStatus:
    """How vectors of articles or passages are searched; `state` of the HNSW index is none,
    building, valid or invalid, `progress` of its build 0 to 1."""

    of: str
    state: str
    bytes: int
    progress: float | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionStatus:
    """Published revisions by state; `tokens` of the embedded ones."""

    workspace: str
    version: int
    state: str
    encoder: str
    fingerprint: str
    dimension: int
    strategy: str
    searchable: int
    pending: int
    embedding: int
    parked: int
    tokens: int
    oldest_pending: datetime | None
    vector_indexes: tuple[VectorIndexStatus, ...] = ()
    parked_reasons: tuple[str, ...] = ()


def version_status(version: IndexVersion) -> VersionStatus:
    """Three queries."""
    entries = IndexEntry.objects.filter(index_version=version).current()
    counts = entries.aggregate(
        **{state: Count("pk", filter=Q(state=state)) for state in EntryState.values},
        tokens=Sum("tokens", filter=Q(state=EntryState.EMBEDDED)),
        oldest=Min("queued_at", filter=~Q(state__in=[EntryState.EMBEDDED, EntryState.PARKED])),
    )
    parked = entries.parked().select_related("revision")[:20]
    return VersionStatus(
        workspace=version.workspace.slug,
        version=version.number,
        state=version.state,
        encoder=version.encoder,
        fingerprint=version.fingerprint,
        dimension=version.dimension,
        strategy=version.strategy,
        searchable=counts["embedded"],
        pending=counts["pending"],
        embedding=counts["embedding"],
        parked=counts["parked"],
        tokens=counts["tokens"] or 0,
        oldest_pending=counts["oldest"],
        vector_indexes=_vector_indexes(version),
        parked_reasons=tuple(f"{entry.revision.title}: {entry.reason}" for entry in parked),
    )


def describe_indexes(indexes: Mapping[str, VectorIndex]) -> str:
    """In words, for people: one kind after the other."""
    return "; ".join(f"{KINDS[parent]}: {index}" for parent, index in sorted(indexes.items()))


def _vector_indexes(version: IndexVersion) -> tuple[VectorIndexStatus, ...]:
    return tuple(
        VectorIndexStatus(
            of=KINDS[parent],
            state=index.state,
            bytes=index.bytes,
            progress=index.progress,
            text=str(index),
        )
        for parent, index in sorted(vector_indexes([version])[version.pk].items())
    )
