"""Moves of index versions, each with who, when and why; nothing else writes their state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from embeddings.announcing import queue_move
from embeddings.errors import MoveRefused
from embeddings.lifecycle import MOVES, Move, VersionState
from embeddings.models import IndexVersion, VersionEvent
from embeddings.signals import version_moved

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who moves a version: a person at some door, or a part of the product."""

    name: str
    user: User | None = None


WORKER = Actor(name="worker")


def make_move(
    version: IndexVersion,
    move: Move,
    *,
    actor: Actor,
    reason: str = "",
    details: dict[str, Any] | None = None,
) -> IndexVersion:
    """The version, locked, moved and written down; `version_moved` is sent after the commit.

    Raises MoveRefused for a move that its state, read under the lock, does not allow.
    """
    with transaction.atomic():
        locked = IndexVersion.objects.select_for_update(no_key=True).get(pk=version.pk)
        require_move(locked, move)
        before = locked.state
        _place(locked, MOVES[move].target, problem=reason if move == Move.FAIL else "")
        record_event(locked, move, before=before, actor=actor, reason=reason, details=details or {})
    return locked


def require_move(version: IndexVersion, move: Move) -> None:
    """Raises MoveRefused for a move that the version's state does not allow."""
    if version.state not in MOVES[move].sources:
        needed = " or ".join(state.label.lower() for state in MOVES[move].sources) or "new"
        raise MoveRefused(
            f"Version {version.number} is {version.get_state_display().lower()}: "
            f"{move.value.replace('_', ' ')} needs one that is {needed}."
        )


def record_event(
    version: IndexVersion,
    move: Move,
    *,
    before: str,
    actor: Actor,
    reason: str = "",
    details: dict[str, Any] | None = None,
) -> VersionEvent:
    """Write the move down; in the transaction that made it."""
    event = VersionEvent.objects.create(
        version=version,
        move=move,
        from_state=before,
        to_state=version.state,
        actor=actor.name,
        user=actor.user,
        reason=reason,
        details=details or {},
    )
    queue_move(event)
    log.info("index_version_moved", version=version.pk, move=str(move), actor=actor.name)
    transaction.on_commit(lambda: tell_of(event), robust=True)
    return event


def tell_of(event: VersionEvent) -> None:
    """To whoever goes on from there; what is missed, the sweeps find."""
    for receiver, answer in version_moved.send_robust(
        VersionEvent, event=event, workspace_id=event.version.workspace_id
    ):
        if isinstance(answer, Exception):
            log.error("version_moved_receiver_failed", receiver=str(receiver), error=repr(answer))


def _place(version: IndexVersion, state: VersionState, *, problem: str) -> None:
    now = timezone.now()
    if version.state == VersionState.LIVE:
        version.live_until = now
    if state == VersionState.LIVE:
        version.live_since, version.live_until = now, None
    version.state, version.state_since, version.problem = state, now, problem
    version.save(update_fields=["state", "state_since", "problem", "live_since", "live_until"])
