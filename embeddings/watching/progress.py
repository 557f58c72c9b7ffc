"""How far an index version is, how fast it goes, what it costs: asked of the rows only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from embeddings.errors import UnknownEncoder
from embeddings.estimates.prices import Price, is_paid, price_of
from embeddings.hnsw import describe_indexes, vector_indexes
from embeddings.lifecycle import STORED, VersionState
from embeddings.models import IndexEntry, IndexVersion, TokenSpend
from embeddings.watching.stalls import wait_of
from embeddings.watching.waits import Wait, WaitKind

RECENT = timedelta(minutes=2)
# What an API counts beyond an article's own tokens (overlaps, titles, what was paid in vain)
# is taken from what it counted so far, but never for more than so much: questions count too.
MOST_BILLED = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionProgress:
    """Published revisions by their state in a version; a version that is over has none.

    `tokens` are of those done, `tokens_per_second` of the last two minutes. `eta_seconds` is
    the time that what is left takes at that speed (0: nothing is left; None: it cannot be
    said yet). `cost` is what the paid API has been paid for since the version was made and
    `expected_cost` what it comes to in the end, None where no price is known; `paid_tokens`
    are those that it counted. `waits_for` says why nothing moves; "" if it does, or has no
    need to.
    """

    state: str
    total: int = 0
    done: int = 0
    pending: int = 0
    embedding: int = 0
    parked: int = 0
    tokens: int = 0
    tokens_per_second: float = 0.0
    eta_seconds: float | None = None
    paid: bool = False
    paid_tokens: int = 0
    cost: float | None = None
    expected_cost: float | None = None
    currency: str = ""
    waits_for: str = ""
    waiting_kind: str = ""
    hnsw: str = ""

    @property
    def percent(self) -> float:
        """Of the published revisions, those that are done; 100 only when all are."""
        return math.floor(1000 * self.done / self.total) / 10 if self.total else 100.0

    @property
    def money(self) -> str:
        """In words; nothing for a model of one's own."""
        if not self.paid:
            return ""
        if self.cost is None:
            return f"no price is configured; {self.paid_tokens:,} tokens counted so far"
        whole = "" if self.expected_cost is None else f" of about {self.expected_cost:,.2f}"
        return f"{self.cost:,.2f}{whole} {self.currency}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    """`..._bytes` are of the texts: their lengths are known without reading them."""

    total: int
    done: int
    embedding: int
    parked: int
    tokens: int
    done_bytes: int
    left_bytes: int

    @property
    def pending(self) -> int:
        """Published revisions that no entry stands for yet are among them."""
        return self.total - self.done - self.embedding - self.parked

    @property
    def tokens_left(self) -> float | None:
        """By the tokens of what is done; None before anything is."""
        if not self.left_bytes:
            return 0.0
        return self.left_bytes * self.tokens / self.done_bytes if self.done_bytes else None


def version_progress(version: IndexVersion) -> VersionProgress:
    """Of any version, live ones included; some small queries and one over its articles."""
    if version.state not in STORED:
        return VersionProgress(state=version.state)
    now = timezone.now()
    counts = _count(version)
    speed = _speed(version, now)
    wait = wait_of(version, now=now) or Wait(kind=WaitKind.NOTHING, text="")
    return VersionProgress(
        state=version.state,
        total=counts.total,
        done=counts.done,
        pending=counts.pending,
        embedding=counts.embedding,
        parked=counts.parked,
        tokens=counts.tokens,
        tokens_per_second=speed,
        eta_seconds=_eta(counts.tokens_left, speed),
        waits_for=wait.text,
        waiting_kind=wait.kind,
        hnsw=describe_indexes(vector_indexes([version])[version.pk]),
        **_money(version, counts),
    )


def recent_speed(version: IndexVersion | None = None) -> float:
    """Tokens per second of the last two minutes, in one version or in all of them."""
    return _speed(version, timezone.now())


def _speed(version: IndexVersion | None, now: datetime) -> float:
    """Since the version was made, or its building resumed, if that is less long ago."""
    since = now - RECENT
    if version is not None:
        building = version.state == VersionState.BUILDING
        begun = version.state_since if building else version.created_at
        since = max(since, min(begun, now - timedelta(seconds=1)))
    entries = IndexEntry.objects.filter(embedded_at__gt=since)
    if version is not None:
        entries = entries.filter(index_version=version)
    tokens = entries.aggregate(tokens=Sum("tokens"))["tokens"] or 0
    return float(round(tokens / (now - since).total_seconds(), 1))


def _eta(tokens_left: float | None, speed: float) -> float | None:
    if tokens_left == 0:
        return 0.0
    return round(tokens_left / speed, 1) if speed and tokens_left is not None else None


def _money(version: IndexVersion, counts: _Counts) -> dict[str, Any]:
    """The day of the version's making is counted whole: spending is kept by the day."""
    try:
        paid, price = is_paid(version.encoder), price_of(version.encoder)
    except UnknownEncoder:  # not configured any more
        return {}
    if not paid:
        return {}
    spent = TokenSpend.objects.filter(
        workspace=version.workspace_id,
        encoder=version.encoder,
        day__gte=version.created_at.date(),
    ).aggregate(tokens=Sum("tokens"))["tokens"]
    return {"paid": True, "paid_tokens": spent or 0} | _prices(price, spent or 0, counts)


def _prices(price: Price | None, spent: int, counts: _Counts) -> dict[str, Any]:
    if price is None:
        return {}
    billed = min(MOST_BILLED, max(1.0, spent / counts.tokens)) if counts.tokens else 1.0
    left = counts.tokens_left
    return {
        "cost": price.of(spent),
        "expected_cost": None if left is None else price.of(spent + left * billed),
        "currency": price.currency,
    }


def _count(version: IndexVersion) -> _Counts:
    parameters = {"version": version.pk, "workspace": version.workspace_id}
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, parameters)
        row = cursor.fetchone()
    names = ("total", "done", "embedding", "parked", "tokens", "done_bytes", "left_bytes")
    return _Counts(**dict(zip(names, map(int, row), strict=True)))


COUNTS = """
    SELECT count(*),
           count(*) FILTER (WHERE e.state = 'embedded'),
           count(*) FILTER (WHERE e.state = 'embedding'),
           count(*) FILTER (WHERE e.state = 'parked'),
           coalesce(sum(e.tokens) FILTER (WHERE e.state = 'embedded'), 0),
           coalesce(sum(octet_length(r.body)) FILTER (WHERE e.state = 'embedded'), 0),
           coalesce(sum(octet_length(r.body))
                    FILTER (WHERE e.state IS NULL OR e.state IN ('pending', 'embedding')), 0)
    FROM kb_article a
    JOIN kb_revision r ON r.id = a.published_revision_id
    LEFT JOIN embeddings_indexentry e
           ON e.revision_id = a.published_revision_id AND e.index_version_id = %(version)s
    WHERE a.workspace_id = %(workspace)s
"""
