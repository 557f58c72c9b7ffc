"""Waiting until published articles can be found."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from embeddings.errors import NotSearchableInTime
from embeddings.live import live_version
from embeddings.models import EntryState, IndexEntry, WorkerHeartbeat
from kb.models import Article, Workspace

POLL_SECONDS = 0.2
SILENT_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Published articles that are searchable, of how many; parked ones are not waited for."""

    done: int
    total: int
    parked: int

    @property
    def finished(self) -> bool:
        """Nothing is left that a worker would still do."""
        return self.done + self.parked >= self.total


def progress(workspace: Workspace, *, article_ids: Collection[int] | None = None) -> Progress:
    """Where the live version of a workspace stands. Raises NoLiveIndex."""
    version = live_version(workspace)
    articles = Article.objects.in_workspace(workspace).published()
    entries = IndexEntry.objects.filter(index_version=version).current()
    if article_ids is not None:
        articles = articles.filter(pk__in=article_ids)
        entries = entries.filter(revision__article_id__in=article_ids)
    return Progress(
        done=entries.filter(state=EntryState.EMBEDDED).count(),
        total=articles.count(),
        parked=entries.filter(state=EntryState.PARKED).count(),
    )


def wait_until_searchable(
    workspace: Workspace,
    *,
    article_ids: Collection[int] | None = None,
    timeout: float,
    on_progress: Callable[[Progress], None] | None = None,
) -> Progress:
    """Wait for the workers until every published article is searchable or parked.

    `timeout` is in seconds and counts from the last article that got through, so that a
    long import is not given up while it moves. Raises NotSearchableInTime.
    """
    best, moved_at = -1, time.monotonic()
    while True:
        now = progress(workspace, article_ids=article_ids)
        if on_progress:
            on_progress(now)
        if now.finished:
            return now
        if now.done + now.parked > best:
            best, moved_at = now.done + now.parked, time.monotonic()
        if time.monotonic() - moved_at > timeout:
            raise NotSearchableInTime(_complaint(now, timeout))
        time.sleep(POLL_SECONDS)


def _complaint(now: Progress, timeout: float) -> str:
    left = now.total - now.done - now.parked
    heard = WorkerHeartbeat.objects.filter(seen_at__gte=timezone.now() - SILENT_AFTER).exists()
    advice = (
        "a worker is alive; see bin/manage index_status"
        if heard
        else "no worker has been heard of for a minute: start one (docs/operating.md)"
    )
    return (
        f"{left} of {now.total} articles are stored and published, but were not searchable "
        f"within {timeout:g} s; {advice}. They will be embedded without doing anything again."
    )
