"""Where an index version stands, counted from the rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Min, Q, Sum

from embeddings.hnsw import KINDS, vector_indexes
from embeddings.models import EntryState, IndexEntry, IndexVersion
from embeddings.watching.progress import version_progress
from embeddings.watching.verdicts import latest_verdict


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
    """Published revisions by state; `tokens` of the embedded ones. What is said of progress
    is that of `embeddings.watching.progress`; `verdict` is the gate's on it beside the live
    version."""

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
    total: int = 0
    percent: float = 0.0
    tokens_per_second: float = 0.0
    eta_seconds: float | None = None
    cost: float | None = None
    expected_cost: float | None = None
    currency: str = ""
    waits_for: str = ""
    waiting_kind: str = ""
    problem: str = ""
    verdict: str = ""
    verdict_allowed: bool | None = None
    shadow_share: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Plain values; moments as they are written in JSON."""
        oldest = self.oldest_pending
        return asdict(self) | {"oldest_pending": str(oldest) if oldest else None}


def version_status(version: IndexVersion) -> VersionStatus:
    """Some ten small queries."""
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
        **_progress(version),
        **_judged(version),
    )


def _progress(version: IndexVersion) -> dict[str, Any]:
    progress = version_progress(version)
    same = (
        "total", "percent", "tokens_per_second", "eta_seconds", "cost", "expected_cost",
        "currency", "waits_for", "waiting_kind",
    )  # fmt: skip
    return {name: getattr(progress, name) for name in same}


def _judged(version: IndexVersion) -> dict[str, Any]:
    verdict = latest_verdict(version)
    return {
        "problem": version.problem,
        "verdict": verdict.summary if verdict else "",
        "verdict_allowed": verdict.allowed if verdict else None,
        "shadow_share": version.shadow_share,
    }


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
