"""Why a version stands still: a kind for programs, a sentence for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class WaitKind(StrEnum):
    """What a version waits for; `blocked` kinds need a person."""

    NOTHING = ""
    PAUSED = "paused"
    FAILED = "failed"
    NO_WORKER = "no_worker"
    NIGHT = "night"
    SPEED_LIMIT = "speed_limit"
    ENCODER = "encoder"
    IN_HAND = "in_hand"
    DUE_LATER = "due_later"
    TAKE_UP = "take_up"
    STALLED = "stalled"
    HNSW = "hnsw"
    CHECKS = "checks"
    VERDICT = "verdict"
    NOT_JUDGED = "not_judged"
    REFUSED = "refused"
    COLD = "cold"
    PARKED = "parked"
    CATCHING_UP = "catching_up"
    CUT_OVER = "cut_over"


# Nothing goes on by itself: somebody has to mend, to override or to waive.
FOR_A_PERSON = frozenset({WaitKind.FAILED, WaitKind.NOT_JUDGED, WaitKind.REFUSED, WaitKind.PARKED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One reason. `text` is a whole sentence, with what to do or when it goes on."""

    kind: WaitKind
    text: str
