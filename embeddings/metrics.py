"""Figures for Prometheus, asked of the rows at each scrape."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from django.db import DatabaseError, connection
from django.db.models import Count, Min, Sum
from django.utils import timezone
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from embeddings.hnsw import IndexState, vector_indexes
from embeddings.models import (
    EntryState,
    IndexEntry,
    IndexVersion,
    TokenSpend,
    VersionState,
    WorkerHeartbeat,
)
from embeddings.watching.progress import recent_speed
from embeddings.watching.stalls import stalled_versions


class IndexCollector(Collector):
    """Entries by state, the age of the oldest unfinished one, and workers heard of."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Nothing at all while the database is away; readiness tells that."""
        try:
            yield from _gauges()
        except DatabaseError:
            return


def register_metrics() -> None:
    """Once per process."""
    collector = IndexCollector()
    collector.describe = list  # type: ignore[attr-defined]  # no query at registration
    REGISTRY.register(collector)


def _gauges() -> Iterator[GaugeMetricFamily]:
    entries = GaugeMetricFamily(
        "unabridged_index_entries", "Published revisions per index state.", labels=["state"]
    )
    counts = dict(
        IndexEntry.objects.current().values_list("state").annotate(count=Count("pk")).order_by()
    )
    for state in EntryState.values:
        entries.add_metric([state], counts.get(state, 0))
    yield entries
    oldest = IndexEntry.objects.unfinished().current().aggregate(at=Min("queued_at"))["at"]
    age = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    yield GaugeMetricFamily(
        "unabridged_oldest_pending_seconds", "Age of the oldest unfinished entry.", value=age
    )
    yield _lag()
    yield _spend()
    yield _versions()
    yield GaugeMetricFamily(
        "unabridged_stalled_versions",
        "Index versions in which nothing moves and nothing explains it.",
        value=len(stalled_versions()),
    )
    yield GaugeMetricFamily(
        "unabridged_embedded_tokens_per_second",
        "Tokens embedded a second, last two minutes, all versions.",
        value=recent_speed(),
    )
    yield from _vector_indexes()
    newest = WorkerHeartbeat.objects.order_by("-seen_at").first()
    silence = (timezone.now() - newest.seen_at).total_seconds() if newest else float("inf")
    yield GaugeMetricFamily(
        "unabridged_worker_silence_seconds", "Since any worker was last heard of.", value=silence
    )


def _versions() -> GaugeMetricFamily:
    versions = GaugeMetricFamily(
        "unabridged_index_versions", "Index versions by state.", labels=["state"]
    )
    counted = IndexVersion.objects.order_by().values_list("state").annotate(count=Count("pk"))
    counts = dict(counted)
    for state in VersionState.values:
        versions.add_metric([state], counts.get(state, 0))
    return versions


def _vector_indexes() -> Iterator[GaugeMetricFamily]:
    """HNSW indexes by state, and how far the one being built is."""
    states = GaugeMetricFamily(
        "unabridged_vector_indexes",
        "Partitions by the state of their HNSW index.",
        labels=["state"],
    )
    by_version = vector_indexes(IndexVersion.objects.active()).values()
    indexes = [index for version in by_version for index in version.values()]
    for state in IndexState:
        states.add_metric([state], sum(index.state == state for index in indexes))
    yield states
    progress = [index.progress for index in indexes if index.progress is not None]
    yield GaugeMetricFamily(
        "unabridged_vector_index_build_ratio",
        "Share of the table that the running HNSW build has read; 1 while none runs.",
        value=min(progress, default=1.0),
    )


def _spend() -> GaugeMetricFamily:
    """Today's tokens at paid APIs; names of workspaces stay out of the metrics."""
    spend = GaugeMetricFamily(
        "unabridged_paid_tokens_today", "Tokens that paid encoders counted.", labels=["encoder"]
    )
    today = TokenSpend.objects.filter(day=datetime.now(UTC).date()).order_by()
    for encoder, tokens in today.values_list("encoder").annotate(tokens=Sum("tokens")):
        spend.add_metric([encoder], tokens)
    return spend


def _lag() -> GaugeMetricFamily:
    """From publishing to searchable, of what became searchable in the last hour.

    Asked of the rows, since the workers that know it are other processes than this one.
    """
    lag = GaugeMetricFamily(
        "unabridged_edit_to_searchable_seconds",
        "Seconds from publishing to searchable, last hour.",
        labels=["quantile"],
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP"
            " (ORDER BY extract(epoch FROM embedded_at - queued_at))"
            " FROM embeddings_indexentry WHERE embedded_at > now() - interval '1 hour'"
        )
        (quantiles,) = cursor.fetchone()
    for name, value in zip(("0.5", "0.95"), quantiles or (), strict=False):
        lag.add_metric([name], value)
    return lag
