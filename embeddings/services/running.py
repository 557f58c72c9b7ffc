"""Steering a build: pause, resume, cancel, try again, change its pace."""

from __future__ import annotations

from django.db import transaction

from embeddings.errors import NoVersion
from embeddings.lifecycle import RECEIVING, Move
from embeddings.models import IndexVersion
from embeddings.nudging import nudge_version
from embeddings.services.entries import ensure_entries, revive_parked
from embeddings.services.moving import Actor, make_move
from embeddings.services.starting import Pace
from kb.models import Workspace
from kb.nudging import send_nudge


def pause_version(version: IndexVersion, *, actor: Actor, reason: str = "") -> IndexVersion:
    """Workers end the batch they hold and take no more. Raises MoveRefused."""
    return make_move(version, Move.PAUSE, actor=actor, reason=reason)


def resume_version(version: IndexVersion, *, actor: Actor, reason: str = "") -> IndexVersion:
    """Go on, with what was published meanwhile. Raises MoveRefused."""
    with transaction.atomic():
        moved = make_move(version, Move.RESUME, actor=actor, reason=reason)
        ensure_entries(moved, bulk=True)
        transaction.on_commit(lambda: nudge_version(moved.pk, bulk=True))
    return moved


def cancel_version(version: IndexVersion, *, actor: Actor, reason: str = "") -> IndexVersion:
    """Give it up for good; what it holds is dropped in the background. Raises MoveRefused."""
    with transaction.atomic():
        moved = make_move(version, Move.CANCEL, actor=actor, reason=reason)
        transaction.on_commit(drop_soon)
    return moved


def retry_version(version: IndexVersion, *, actor: Actor, reason: str = "") -> int:
    """Parked articles get a fresh start, and a failed version builds again; how many they are.

    Raises MoveRefused for a version that takes no articles.
    """
    with transaction.atomic():
        locked = IndexVersion.objects.select_for_update(no_key=True).get(pk=version.pk)
        if locked.state not in RECEIVING:
            locked = make_move(locked, Move.RETRY, actor=actor, reason=reason)
        ensure_entries(locked, bulk=True)
        revived = revive_parked(locked)
        transaction.on_commit(lambda: nudge_version(locked.pk, bulk=True))
    return revived


def change_pace(version: IndexVersion, *, pace: Pace) -> None:
    """From the next batch on. Raises InvalidInput."""
    IndexVersion.objects.filter(pk=version.pk).update(**pace.fields(), bulk_free_at=None)


def drop_soon() -> None:
    """Ask a worker to free the space of versions that are over; the sweep does it too."""
    send_nudge("embeddings.drop_unused", queue="bulk")


def version_of(workspace: Workspace, number: int) -> IndexVersion:
    """By its number. Raises NoVersion."""
    version = workspace.index_versions.filter(number=number).first()
    if version is None:
        known = ", ".join(str(each.number) for each in workspace.index_versions.all()) or "none"
        raise NoVersion(f"{workspace.slug!r} has no index version {number}; it has {known}.")
    return version
