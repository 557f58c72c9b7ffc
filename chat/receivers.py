"""What happens on this side when an index version moves."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import m2m_changed, post_delete, post_save

from chat.evaluation.gate_acting import why_over
from chat.evaluation.gate_findings import Terms
from chat.evaluation.tasks import nudge_judging
from chat.models import GatePolicy
from chat.services.gate_policies import withdraw_verdicts
from embeddings.judging import appoint
from embeddings.lifecycle import VersionState
from embeddings.models import IndexVersion, VersionEvent
from embeddings.services.shadowing import SHADOWED, end_shadow
from embeddings.signals import version_moved


def connect() -> None:
    """Called once, when the app is ready."""
    version_moved.connect(on_version_moved, dispatch_uid="chat")
    post_save.connect(on_policy_saved, GatePolicy, dispatch_uid="chat")
    post_delete.connect(on_policy_deleted, GatePolicy, dispatch_uid="chat")
    m2m_changed.connect(on_sets_changed, GatePolicy.question_sets.through, dispatch_uid="chat")
    appoint(Gate())


class Gate:
    """Judges index versions by questions with known answers."""

    def begin(self, version_id: int) -> None:
        """A worker does."""
        nudge_judging(version_id)

    def why_over(self, version: IndexVersion, live: IndexVersion) -> str:
        """Cancelled, or its runs were deleted."""
        return why_over(version, live)


def on_policy_saved(
    sender: object,  # noqa: ARG001 - the shape of a receiver
    *,
    instance: GatePolicy,
    **_: Any,
) -> None:
    """What was reached by the same numbers goes on."""
    withdraw_verdicts(instance.workspace_id, unless=Terms.of(instance))


def on_policy_deleted(
    sender: object,  # noqa: ARG001 - the shape of a receiver
    *,
    instance: GatePolicy,
    origin: object = None,
    **_: Any,
) -> None:
    """Whatever was asked before, it is something else now; unless the workspace goes with it."""
    if isinstance(origin, GatePolicy) or getattr(origin, "model", None) is GatePolicy:
        withdraw_verdicts(instance.workspace_id)


def on_sets_changed(
    sender: object,  # noqa: ARG001 - the shape of a receiver
    *,
    instance: GatePolicy,
    action: str,
    **_: Any,
) -> None:
    """Other questions are asked from now on."""
    if action.startswith("post_"):
        withdraw_verdicts(instance.workspace_id)


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
