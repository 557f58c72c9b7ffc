"""The life of an index version, as one table of moves; docs/index-versions.md draws it.

A version is `building` until every published article is in it, then `ready`. Cut over, it is
`live`: one per workspace answers questions. The one that was live before stands by, so that
it can be rolled back to, until it is retired. On the way a build may be paused, fail, or be
cancelled.

Building, ready, live and standby versions receive every revision that is published; a paused
one catches up when it is resumed. Failed, cancelled and retired ones receive nothing.

`embeddings.services.moving` makes the moves; nothing else writes `IndexVersion.state`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import models


class VersionState(models.TextChoices):
    """Where a version is in its life."""

    BUILDING = "building", "Building"
    PAUSED = "paused", "Paused"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    READY = "ready", "Ready"
    LIVE = "live", "Live"
    STANDBY = "standby", "Standby"
    RETIRED = "retired", "Retired"


S = VersionState

# Versions that receive every newly published revision.
RECEIVING = (S.BUILDING, S.READY, S.LIVE, S.STANDBY)
# Versions whose vectors are kept; those of the others are dropped.
STORED = (*RECEIVING, S.PAUSED, S.FAILED)
# Versions that may be the next to answer questions, so that their encoders are kept warm.
CANDIDATES = (S.READY, S.LIVE, S.STANDBY)


class Move(models.TextChoices):
    """What can happen to a version."""

    START = "start", "Started"
    PAUSE = "pause", "Paused"
    RESUME = "resume", "Resumed"
    FAIL = "fail", "Failed"
    RETRY = "retry", "Tried again"
    CANCEL = "cancel", "Cancelled"
    FINISH = "finish", "Finished"
    CUT_OVER = "cut_over", "Cut over"
    REPLACE = "replace", "Replaced"
    ROLL_BACK = "roll_back", "Rolled back to"
    RETIRE = "retire", "Retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """From which states a move leads to which; no source: it begins a life."""

    sources: tuple[VersionState, ...]
    target: VersionState


MOVES: dict[Move, Rule] = {
    Move.START: Rule(sources=(), target=S.BUILDING),
    Move.PAUSE: Rule(sources=(S.BUILDING,), target=S.PAUSED),
    Move.RESUME: Rule(sources=(S.PAUSED,), target=S.BUILDING),
    Move.FAIL: Rule(sources=(S.BUILDING,), target=S.FAILED),
    Move.RETRY: Rule(sources=(S.FAILED,), target=S.BUILDING),
    Move.CANCEL: Rule(sources=(S.BUILDING, S.PAUSED, S.FAILED, S.READY), target=S.CANCELLED),
    Move.FINISH: Rule(sources=(S.BUILDING,), target=S.READY),
    Move.CUT_OVER: Rule(sources=(S.READY, S.STANDBY), target=S.LIVE),
    Move.REPLACE: Rule(sources=(S.LIVE,), target=S.STANDBY),
    Move.ROLL_BACK: Rule(sources=(S.STANDBY,), target=S.LIVE),
    Move.RETIRE: Rule(sources=(S.READY, S.STANDBY), target=S.RETIRED),
}


def allowed_moves(state: str) -> tuple[Move, ...]:
    """What can happen to a version in `state`."""
    return tuple(move for move, rule in MOVES.items() if state in rule.sources)


def diagram() -> str:
    """The table as a Mermaid state diagram (https://mermaid.js.org/syntax/stateDiagram.html)."""
    return "\n".join(["stateDiagram-v2", *(f"    {line}" for line in _lines())]) + "\n"


def _lines() -> Iterator[str]:
    for move, rule in MOVES.items():
        for source in rule.sources or ("[*]",):
            yield f"{source} --> {rule.target}: {move.value.replace('_', ' ')}"
    for state in VersionState:
        if not allowed_moves(state):
            yield f"{state} --> [*]"


if __name__ == "__main__":
    sys.stdout.write(diagram())
