"""What an index version waits for when nothing moves: the watchdog, asked of the rows.

Every reason is a sentence that says what to do, or when it goes on by itself; what none
explains is stalled, and is logged and counted as that.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from django.utils import timezone

from embeddings.hnsw import IndexState, missing_indexes
from embeddings.lifecycle import RECEIVING
from embeddings.models import IndexEntry, IndexVersion, VersionEvent, VersionState
from embeddings.watching.reasons import at, left_in, no_worker, why_nothing_moves
from embeddings.watching.verdicts import wait_for_cut_over
from embeddings.watching.waits import Wait, WaitKind

log = structlog.get_logger(__name__)


def wait_of(version: IndexVersion, *, now: datetime | None = None) -> Wait | None:
    """What it waits for; None: it moves, or has nothing to do."""
    if version.state == VersionState.PAUSED:
        return _paused(version)
    if version.state == VersionState.FAILED:
        return _failed(version)
    if version.state in RECEIVING:
        return _wait_of_running(version, now or timezone.now())
    return None


def _wait_of_running(version: IndexVersion, now: datetime) -> Wait | None:
    left = left_in(version, now)
    standing = why_nothing_moves(left) if left.articles and not left.moves else None
    if version.state == VersionState.READY:
        return standing or no_worker(now) or wait_for_cut_over(version)
    if version.state == VersionState.BUILDING and not left.articles:
        return _to_be_ready(version, now)
    return standing


def is_stalled(version: IndexVersion) -> bool:
    """Whether nothing moves, and nothing explains it."""
    wait = wait_of(version)
    return wait is not None and wait.kind == WaitKind.STALLED


def stalled_versions() -> list[IndexVersion]:
    """Of all that receive articles; only those with work left are looked into."""
    unfinished = IndexEntry.objects.unfinished().current().order_by()
    versions = IndexVersion.objects.active().filter(pk__in=unfinished.values("index_version"))
    return [version for version in versions if is_stalled(version)]


def warn_of_stalls() -> int:
    """Log each stalled version; returns how many there are."""
    stalled = stalled_versions()
    for version in stalled:
        log.error("index_version_stalled", version=version.pk, number=version.number)
    return len(stalled)


def _paused(version: IndexVersion) -> Wait:
    event = VersionEvent.objects.filter(version=version).latest_first().first()
    who = f" by {event.actor}" if event else ""
    why = f" ({event.reason})" if event and event.reason else ""
    return Wait(
        kind=WaitKind.PAUSED,
        text=f"Paused{who} since {at(version.state_since)}{why}; "
        f"`index_run resume --workspace {version.workspace.slug} --version {version.number}` "
        "goes on.",
    )


def _failed(version: IndexVersion) -> Wait:
    return Wait(
        kind=WaitKind.FAILED,
        text=f"Failed: {version.problem or 'no reason was recorded.'} Mend it, then `index_run "
        f"retry --workspace {version.workspace.slug} --version {version.number}`.",
    )


def _to_be_ready(version: IndexVersion, now: datetime) -> Wait | None:
    missing = missing_indexes([version])
    building = [index for index in missing if index.state == IndexState.BUILDING]
    if building:
        done = min(index.progress or 0.0 for index in building)
        return Wait(kind=WaitKind.HNSW, text=f"Its HNSW index is being built: {done:.0%}.")
    if silent := no_worker(now):
        return silent
    if missing:
        return Wait(
            kind=WaitKind.HNSW, text="A worker of the queue bulk has to build its HNSW index."
        )
    return Wait(kind=WaitKind.CHECKS, text="All is embedded: the last checks before it is ready.")
