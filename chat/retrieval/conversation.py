"""Follow-up questions: what was said before, and how much it counts.

"and for my spouse?" says little alone. Where no model rewrites it
(`chat.retrieval.rewriting`), the turns before it ask along: each with a weight, less the
longer ago, the visitor's more than the assistant's. Their vectors are added to the question's
and their words weigh less than its own (docs/decisions/012-follow-ups.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from chat.retrieval.settings import PipelineSettings
from kb.content import FORBIDDEN
from kb.terms import WeightedText

# A turn that counts for less than this is as good as forgotten.
FORGOTTEN = 0.05
MAX_TURNS = 20
MAX_TURN_CHARACTERS = 4_000
# Of a question spelt out with what was said before.
MAX_STANDALONE_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One earlier message of a conversation; `role` says whose."""

    role: Literal["visitor", "assistant"]
    text: str


def weigh_history(history: Sequence[Turn], settings: PipelineSettings) -> list[WeightedText]:
    """The turns that still count, newest first, with weights from 0 to 1.

    A turn of either side fades with the turns of that side since, and all of them together
    count no more than `history_weight`: the question, if it changes the subject, is heard. A
    turn over the limit of characters, such as a pasted log, is left out whole: its end says as
    little as its start.
    """
    return [WeightedText(text=text, weight=weight) for _, text, weight in _weigh(history, settings)]


def spell_out(question: str, history: Sequence[Turn], settings: PipelineSettings) -> str:
    """What is looked for, for people to read: the visitor's turns that still count, oldest
    first, and the question, a line each. The oldest are left out where it would get long."""
    said = [question]
    left = MAX_STANDALONE_CHARACTERS - len(question)
    for text in [text for role, text, _ in _weigh(history, settings) if role == "visitor"]:
        left -= len(text) + 1
        if left < 0:
            break
        said.insert(0, text)
    return "\n".join(said)


def _weigh(
    history: Sequence[Turn], settings: PipelineSettings
) -> list[tuple[Literal["visitor", "assistant"], str, float]]:
    """Whose, text and weight of the turns that count, newest first."""
    weighed = _faded(history, settings)
    total = sum(weight for _, _, weight in weighed)
    share = min(1.0, settings.history_weight / total) if total else 1.0
    return [(role, text, weight * share) for role, text, weight in weighed]


def _faded(
    history: Sequence[Turn], settings: PipelineSettings
) -> list[tuple[Literal["visitor", "assistant"], str, float]]:
    first = {
        "visitor": settings.history_visitor_weight,
        "assistant": settings.history_assistant_weight,
    }
    passed = {"visitor": 0, "assistant": 0}
    weighed: list[tuple[Literal["visitor", "assistant"], str, float]] = []
    for turn in history[: -MAX_TURNS - 1 : -1]:
        weight = first[turn.role] * settings.history_decay ** passed[turn.role]
        passed[turn.role] += 1
        text = FORBIDDEN.sub(" ", turn.text).strip()
        if weight >= FORGOTTEN and text and len(text) <= MAX_TURN_CHARACTERS:
            weighed.append((turn.role, text, weight))
    return weighed
