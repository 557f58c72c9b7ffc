"""Watching a version until it is where somebody waits for it to be."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from django.db import InterfaceError, OperationalError, connection

from embeddings.errors import GateRefused, MoveRefused, NotReadyToServe, NoVersion
from embeddings.lifecycle import VersionState
from embeddings.models import IndexVersion
from embeddings.watching.progress import VersionProgress, version_progress
from embeddings.watching.verdicts import latest_verdict
from embeddings.watching.waits import WaitKind

POLL_SECONDS = 0.5
# Looking counts all articles: of a large workspace that is not done all the time.
SHARE_OF_LOOKING = 0.2
AWAY_SECONDS = 120.0
OVER = (VersionState.FAILED, VersionState.CANCELLED, VersionState.RETIRED)


def follow_version(
    version: IndexVersion,
    *,
    until: Collection[VersionState],
    on_look: Callable[[IndexVersion, VersionProgress], None],
    patience: float | None = None,
) -> IndexVersion:
    """Look again and again, telling `on_look`, until it is in one of these states. Returns it.

    `patience` (None: any) is in seconds without anything becoming embedded or moving on.
    Raises MoveRefused where it failed or was ended meanwhile, NotReadyToServe when patience
    is at its end, or what a person has to see to: GateRefused, NotReadyToServe, NoVersion.
    """
    seen, moved_at = None, time.monotonic()
    while True:
        began = time.monotonic()
        now, progress = _look(version)
        on_look(now, progress)
        if now.state in until:
            return now
        _refuse_dead_ends(now, progress)
        if (at := (now.state, progress.done, progress.parked)) != seen:
            seen, moved_at = at, time.monotonic()
        if patience is not None and time.monotonic() - moved_at > patience:
            raise NotReadyToServe(
                f"Nothing moved for {patience:g} s; version {now.number} goes on without being "
                f"waited for. {progress.waits_for}".strip()
            )
        time.sleep(max(POLL_SECONDS, (time.monotonic() - began) / SHARE_OF_LOOKING))


def _look(version: IndexVersion) -> tuple[IndexVersion, VersionProgress]:
    """A database that restarts is waited for, since the run survives it too."""
    deadline = time.monotonic() + AWAY_SECONDS
    while True:
        try:
            now = IndexVersion.objects.select_related("workspace").filter(pk=version.pk).first()
            if now is None:
                raise NoVersion(f"Version {version.number} is gone, and its workspace with it.")
            return now, version_progress(now)
        except (OperationalError, InterfaceError):
            if time.monotonic() > deadline:
                raise
            connection.close_if_unusable_or_obsolete()
            time.sleep(POLL_SECONDS)


def _refuse_dead_ends(version: IndexVersion, progress: VersionProgress) -> None:
    """What does not go on by itself."""
    if version.state in OVER:
        why = f": {version.problem}" if version.problem else "."
        raise MoveRefused(f"Version {version.number} {version.get_state_display().lower()}{why}")
    if progress.waiting_kind in {WaitKind.REFUSED, WaitKind.NOT_JUDGED}:
        verdict = latest_verdict(version)
        raise GateRefused(progress.waits_for, worst=verdict.worst if verdict else None)
    if version.state == VersionState.READY and progress.waiting_kind == WaitKind.PARKED:
        raise NotReadyToServe(progress.waits_for)
