"""Celery tasks: they resolve ids to rows and encoders, then call plain functions.

A message is only a nudge. Losing it, or getting it twice, changes nothing: the rows say
what is left, and `sweep` sends the nudges again.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from celery import shared_task
from django.conf import settings
from django.db import connection
from django.db.models import Model

from embeddings.campaigning import advance
from embeddings.filling import loop
from embeddings.filling.pacing import bulk_wait
from embeddings.filling.settling import settle
from embeddings.heartbeat import forget_silent_workers
from embeddings.hnsw import VectorIndex, build_missing_indexes, missing_indexes
from embeddings.models import Campaign, IndexEntry, IndexVersion, VersionState
from embeddings.nudging import nudge_version
from embeddings.partitions import drop_orphans, ensure_words_partition
from embeddings.services.entries import (
    ensure_entries,
    forget_entries,
    note_problem,
    purge_stale,
    retry_parked,
)
from embeddings.services.versions import ensure_first_version
from embeddings.warming import forget_silent_processes
from embeddings.watching.stalls import warn_of_stalls
from embeddings.words import fill_missing_words
from kb.models import Workspace
from kb.nudging import send_nudge
from kb.services.statistics import fold_term_counts

log = structlog.get_logger(__name__)


@shared_task(name="embeddings.embed_version")
def embed_version(version_id: int, bulk: bool = True) -> int:
    """Embed what waits in one version for a while; more work is another message."""
    version = IndexVersion.objects.active().filter(pk=version_id).first()
    if version is None:
        return 0
    ensure_words_partition(version_id)
    try:
        result = loop.embed_pending(version, seconds=settings.EMBED_TASK_SECONDS, bulk=bulk)
    except loop.ENCODER_AT_FAULT as error:  # its configuration, before anything was claimed
        note_problem(version, str(error))
        return 0
    if result.embedded:
        note_problem(version, "")
    if not result.finished:
        # A run that its pace kept from everything leaves the rest to the one that was before it.
        if result.embedded or not result.pause:
            nudge_version(version_id, bulk=bulk, countdown=result.pause)
    elif not settle(version, probe=bulk) and bulk and result.embedded:
        _nudge_builder_of(version)
    return result.embedded


@shared_task(name="embeddings.sweep")
def sweep() -> int:
    """Each minute: whatever was missed is found in the rows and nudged again.

    What fails in one version, or in one of the steps at the end, is logged and keeps nothing
    else from being done. Returns how many versions had work waiting.
    """
    for workspace in Workspace.objects.exclude(index_versions__state=VersionState.LIVE):
        _attempt(ensure_first_version, workspace)
    versions = list(IndexVersion.objects.active().select_related("workspace"))
    nudged = sum(_attempt(_sweep_version, version) for version in versions)
    steps = (
        forget_silent_workers,
        forget_silent_processes,
        _nudge_builder,
        drop_orphans,
        forget_entries,
        warn_of_stalls,
    )
    for step in steps:
        _attempt(step)
    advance_campaigns()
    _catch_up(versions)
    return nudged


def _attempt(step: Callable[..., int | None], *of: Model, **options: float) -> int:
    """What the step returned, 0 if it failed; raises only where the database is away."""
    try:
        return step(*of, **options) or 0
    except Exception:
        log.exception("sweep_step_failed", step=step.__name__, of=[each.pk for each in of])
        connection.close_if_unusable_or_obsolete()
        connection.ensure_connection()
        return 0


@shared_task(name="embeddings.build_indexes")
def build_indexes() -> list[str]:
    """Build the HNSW indexes that large versions lack; one process at a time does."""
    return build_missing_indexes(on_end=_after_build)


def _after_build(index: VectorIndex, problem: str) -> None:
    """A version that waited for it is ready, or says why it waits on."""
    for version in IndexVersion.objects.filter(pk=index.version_id):
        if problem:
            note_problem(version, problem)
        else:
            _attempt(settle, version)


@shared_task(name="embeddings.drop_unused")
def drop_unused() -> int:
    """Free the space of versions that are cancelled, retired or gone."""
    forget_entries()
    return drop_orphans()


@shared_task(name="embeddings.advance_campaigns")
def advance_campaigns() -> int:
    """After a version has moved: the next workspaces of its campaign; the sweep does it too."""
    return sum(_attempt(advance, campaign) for campaign in Campaign.objects.unfinished())


def _sweep_version(version: IndexVersion) -> int:
    ensure_words_partition(version.pk)
    purge_stale(version)
    ensure_entries(version, bulk=True)
    retry_parked(version.workspace, due_only=True)
    settle(version, probe=False)
    waiting = IndexEntry.objects.filter(index_version=version).waiting().current()
    kinds = set(waiting.order_by().values_list("bulk", flat=True).distinct())
    if bulk_wait(version):
        kinds.discard(True)
    for bulk in kinds:
        nudge_version(version.pk, bulk=bulk)
    return int(bool(kinds))


def _nudge_builder() -> None:
    if missing_indexes():
        send_nudge(build_indexes, queue="bulk", expires=settings.SWEEP_SECONDS)


def _nudge_builder_of(version: IndexVersion) -> None:
    """At once, for what a worker has just filled; afterwards the sweep sees to it."""
    if version.state == VersionState.BUILDING and missing_indexes([version]):
        send_nudge(build_indexes, queue="bulk", expires=settings.SWEEP_SECONDS)


def _catch_up(versions: list[IndexVersion]) -> None:
    """What may take long, for half of the time until the next sweep; each version gets on by
    a batch at least."""
    deadline = time.monotonic() + settings.SWEEP_SECONDS / 2
    for version in versions:
        _attempt(fill_missing_words, version, seconds=deadline - time.monotonic())
    _attempt(fold_term_counts, seconds=deadline - time.monotonic())
