"""Where an index version stands, counted from the rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q, Sum

from embeddings.models import EntryState, IndexEntry, IndexVersion


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
    parked_reasons: tuple[str, ...] = ()


def version_status(version: IndexVersion) -> VersionStatus:
    """Two queries."""
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
        parked_reasons=tuple(f"{entry.revision.title}: {entry.reason}" for entry in parked),
    )
