"""Telling webhooks what happened to index versions."""

from __future__ import annotations

from embeddings.lifecycle import Move
from embeddings.models import VersionEvent
from kb.events import register_events
from kb.services.webhooks import queue_event

HAPPENED = {
    Move.START: ("started", "A version began to be built beside the live one."),
    Move.PAUSE: ("paused", "A build was paused."),
    Move.RESUME: ("resumed", "A paused build went on."),
    Move.FAIL: ("failed", "A build failed; the reason says why."),
    Move.RETRY: ("retried", "A failed build was begun again."),
    Move.CANCEL: ("cancelled", "A version was given up."),
    Move.FINISH: ("finished", "A build is ready to be judged and cut over to."),
    Move.CUT_OVER: ("cut_over", "A version answers questions from now on."),
    Move.REPLACE: ("replaced", "A version answers no more; it stands by."),
    Move.ROLL_BACK: ("rolled_back", "A version that stood by answers questions again."),
    Move.RETIRE: ("retired", "A version was retired; its vectors are dropped."),
}


def event_name(move: Move) -> str:
    """As webhooks know it."""
    return f"index_version.{HAPPENED[move][0]}"


def register_version_events() -> None:
    """Called once, when the app is ready."""
    register_events({event_name(move): meaning for move, (_, meaning) in HAPPENED.items()})


def queue_move(event: VersionEvent) -> None:
    """In the transaction of the move."""
    version = event.version
    queue_event(
        version.workspace_id,
        event=event_name(Move(event.move)),
        payload={
            "workspace": version.workspace.slug,
            "version": version.number,
            "encoder": version.encoder,
            "from": event.from_state,
            "to": event.to_state,
            "actor": event.actor,
            "reason": event.reason,
            "at": event.created_at.isoformat(),
        },
    )
