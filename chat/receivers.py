"""What happens on this side when an index version moves."""

from __future__ import annotations

from typing import Any

from chat.evaluation.tasks import nudge_judging
from embeddings.lifecycle import VersionState
from embeddings.models import VersionEvent
from embeddings.services.shadowing import SHADOWED, end_shadow
from embeddings.signals import version_moved


def connect() -> None:
    """Called once, when the app is ready."""
    version_moved.connect(on_version_moved, dispatch_uid="chat")


def on_version_moved(
    sender: object,  # noqa: ARG001 - the shape of a receiver
    *,
    event: VersionEvent,
    **_: Any,
) -> None:
    """A version that is ready gets judged; one that is no candidate any more casts no shadow.

    What is missed here, the sweep finds, and the shadow's own reads.
    """
    if event.to_state == VersionState.READY:
        nudge_judging(event.version_id)
    if event.to_state not in SHADOWED:
        end_shadow(event.version_id)
