"""What can be done to a version in the state that it is in, each a button of its page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from django import forms
from django.http import QueryDict

from embeddings.access import REQUEST_PATIENCE
from embeddings.admin.move_forms import (
    PERCENT,
    CutOverForm,
    PaceForm,
    ReasonForm,
    RetireForm,
    RollBackForm,
    ShadowForm,
)
from embeddings.lifecycle import MOVES, RECEIVING, Move, VersionState
from embeddings.models import IndexVersion
from embeddings.services.cutting_over import cut_over, roll_back
from embeddings.services.moving import Actor
from embeddings.services.retiring import retire_version
from embeddings.services.running import (
    cancel_version,
    change_pace,
    pause_version,
    resume_version,
    retry_version,
)
from embeddings.services.shadowing import SHADOWED, change_shadow_share

Run: TypeAlias = Callable[[IndexVersion, Actor, Any], str]
S = VersionState


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A button: `run` does it with the form's values, and says what was done.

    `needs_parked`: only offered where there are parked articles, unless the version failed.
    """

    name: str
    label: str
    text: str
    states: tuple[VersionState, ...]
    run: Run
    form: type[forms.Form] = forms.Form
    style: str = ""
    needs_parked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An action with its form; `opened` when what was sent is shown again."""

    action: Action
    form: forms.Form
    opened: bool = False


def offers(
    version: IndexVersion, *, parked: bool, allowed: bool, refused: Offer | None = None
) -> list[Offer]:
    """What the state allows now. `allowed`: the gate lets it pass; `refused`: sent in vain."""
    offered = [
        refused if refused and refused.action is action else _fresh(action, version)
        for action in ACTIONS
        if version.state in action.states
        and (parked or not action.needs_parked or version.state == S.FAILED)
    ]
    for each in offered:
        if isinstance(each.form, CutOverForm):
            each.form.ask_only(override=not allowed, waiver=parked)
    return offered


def bound_form(action: Action, sent: QueryDict) -> forms.Form:
    """With what a person sent."""
    return action.form(sent, prefix=action.name)


def _fresh(action: Action, version: IndexVersion) -> Offer:
    initial = {
        "tokens_per_second": version.tokens_per_second,
        "night_from": version.night_from,
        "night_until": version.night_until,
        "percent": round(version.shadow_share * PERCENT, 2),
    }
    return Offer(action=action, form=action.form(prefix=action.name, initial=initial))


def _pause(version: IndexVersion, actor: Actor, given: Any) -> str:
    pause_version(version, actor=actor)
    return "Paused: workers end what they hold and take no more."


def _resume(version: IndexVersion, actor: Actor, given: Any) -> str:
    resume_version(version, actor=actor)
    return "It goes on, with what was published meanwhile."


def _retry(version: IndexVersion, actor: Actor, given: Any) -> str:
    revived = retry_version(version, actor=actor)
    return f"{revived:,} parked article(s) get a fresh start."


def _cut_over(version: IndexVersion, actor: Actor, given: Any) -> str:
    reasons = {name: given.get(name, "") for name in ("override", "waiver")}
    cut_over(version, actor=actor, patience=REQUEST_PATIENCE, **reasons)
    return f"Version {version.number} is live."


def _roll_back(version: IndexVersion, actor: Actor, given: Any) -> str:
    roll_back(version.workspace, version=version, actor=actor, patience=REQUEST_PATIENCE, **given)
    return f"Rolled back: version {version.number} is live."


def _cancel(version: IndexVersion, actor: Actor, given: Any) -> str:
    cancel_version(version, actor=actor, **given)
    return "Cancelled; what it holds is dropped in the background."


def _retire(version: IndexVersion, actor: Actor, given: Any) -> str:
    retire_version(version, actor=actor, reason=given["reason"], at_once=given["now"])
    return "Retired; its vectors are dropped in the background."


def _pace(version: IndexVersion, actor: Actor, given: Any) -> str:
    change_pace(version, pace=PaceForm.pace_of(given))
    return "Changed, from the next batch on."


def _shadow(version: IndexVersion, actor: Actor, given: Any) -> str:
    change_shadow_share(version, share=given["percent"] / PERCENT)
    return f"{given['percent']:g} % of the live questions are asked of it too."


def _sources(move: Move) -> tuple[VersionState, ...]:
    return MOVES[move].sources


ACTIONS: Sequence[Action] = (
    Action(
        name="pause",
        label="Pause",
        text="Workers end the batch they hold and take no more. Nothing is lost.",
        states=_sources(Move.PAUSE),
        run=_pause,
    ),
    Action(
        name="resume",
        label="Resume",
        text="It goes on with what was published meanwhile.",
        states=_sources(Move.RESUME),
        run=_resume,
        style="ub-primary",
    ),
    Action(
        name="retry",
        label="Retry what failed",
        text="Parked articles get a fresh start.",
        states=(*_sources(Move.RETRY), *RECEIVING),
        run=_retry,
        needs_parked=True,
    ),
    Action(
        name="cut-over",
        label="Cut over to it",
        text="It answers questions from the next one on, in every process. The version that is "
        "live now stands by, receives every edit, and can be rolled back to.",
        states=_sources(Move.CUT_OVER),
        run=_cut_over,
        form=CutOverForm,
        style="ub-primary",
    ),
    Action(
        name="roll-back",
        label="Roll back to it",
        text="It has received every edit and is live again from the next question on.",
        states=_sources(Move.ROLL_BACK),
        run=_roll_back,
        form=RollBackForm,
        style="ub-primary",
    ),
    Action(
        name="pace",
        label="Change the pace",
        text="Bulk work makes room for questions.",
        states=(S.BUILDING, S.PAUSED, S.FAILED),
        run=_pace,
        form=PaceForm,
    ),
    Action(
        name="shadow",
        label="Ask it beside the live version",
        text="A share of the live questions is asked of it too, and the answers are compared.",
        states=SHADOWED,
        run=_shadow,
        form=ShadowForm,
    ),
    Action(
        name="cancel",
        label="Cancel",
        text="It is given up for good, and what it holds is dropped.",
        states=_sources(Move.CANCEL),
        run=_cancel,
        form=ReasonForm,
        style="ub-danger",
    ),
    Action(
        name="retire",
        label="Retire",
        text="Nobody can go back to it any more, and its vectors are dropped.",
        states=_sources(Move.RETIRE),
        run=_retire,
        form=RetireForm,
        style="ub-danger",
    ),
)
BY_NAME = {action.name: action for action in ACTIONS}
