"""Celery tasks: they resolve ids to rows and encoders, then call plain functions.

A message is only a nudge. Losing it, or getting it twice, changes nothing: the rows say
what is left, and `sweep` sends the nudges again.
"""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from embeddings import loop
from embeddings.heartbeat import forget_silent_workers
from embeddings.hnsw import build_missing_indexes, missing_indexes
from embeddings.models import IndexEntry, IndexVersion
from embeddings.nudging import send_nudge
from embeddings.partitions import drop_orphans
from embeddings.services.entries import ensure_entries, purge_stale, retry_parked
from embeddings.services.versions import ensure_first_version
from embeddings.words import fill_missing_words
from kb.models import Workspace
from kb.services.statistics import fold_term_counts


def nudge(version_id: int, *, bulk: bool) -> None:
    """Ask some worker to look at a version; without Redis the sweep does so later."""
    queue = "bulk" if bulk else "interactive"
    send_nudge(embed_version, version_id, queue=queue, kwargs={"bulk": bulk})


@shared_task(name="embeddings.embed_version")
def embed_version(version_id: int, bulk: bool = True) -> int:
    """Embed what waits in one version for a while; more work is another message."""
    version = IndexVersion.objects.active().filter(pk=version_id).first()
    if version is None:
        return 0
    result = loop.embed_pending(version, seconds=settings.EMBED_TASK_SECONDS, bulk=bulk)
    if not result.finished:
        nudge(version_id, bulk=True)
    return result.embedded


@shared_task(name="embeddings.sweep")
def sweep() -> int:
    """Each minute: whatever was missed is found in the rows and nudged again.

    Returns how many versions had work waiting.
    """
    for workspace in Workspace.objects.filter(index_versions__isnull=True):
        ensure_first_version(workspace)
    nudged = 0
    for version in IndexVersion.objects.active().select_related("workspace"):
        nudged += _sweep_version(version)
    forget_silent_workers()
    drop_orphans()
    fold_term_counts()
    if missing_indexes():
        send_nudge(build_indexes, queue="bulk", expires=settings.SWEEP_SECONDS)
    return nudged


@shared_task(name="embeddings.build_indexes")
def build_indexes() -> list[str]:
    """Build the HNSW indexes that large versions lack; one process at a time does."""
    return build_missing_indexes()


def _sweep_version(version: IndexVersion) -> int:
    purge_stale(version)
    ensure_entries(version, bulk=True)
    retry_parked(version.workspace, due_only=True)
    fill_missing_words(version)
    waiting = IndexEntry.objects.filter(index_version=version).waiting().current()
    if not waiting.exists():
        return 0
    nudge(version.pk, bulk=not waiting.filter(bulk=False).exists())
    return 1
