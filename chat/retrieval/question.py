"""The question: checked, and turned into the vector that asks the dense legs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from django.conf import settings

from chat.errors import QuestionRejected
from embeddings.encoders.base import Encoder, Matrix, Task, Vector
from kb.content import FORBIDDEN
from kb.terms import WeightedText

# Special tokens and the task prompts of some families count towards the window too.
RESERVED_TOKENS = 32
SPACE = re.compile(r"\s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A clean question and its unit vector; more than one part if it was over the window.

    `turns` are earlier messages that ask along, newest first, and `texts` the question with
    them; `standalone` is what is looked for as people read it: a question that a model made
    to stand alone, or the visitor's turns with the question, a line each.
    """

    text: str
    parts: tuple[str, ...]
    vector: Vector = field(repr=False)
    turns: tuple[WeightedText, ...] = ()
    standalone: str = ""

    @property
    def texts(self) -> tuple[WeightedText, ...]:
        """What the words are looked for in: the question first."""
        return (WeightedText(text=self.text), *self.turns)


def clean_question(text: str) -> str:
    """The question without white space around it. Raises QuestionRejected."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not any(character.isprintable() and not character.isspace() for character in text):
        raise QuestionRejected("The question is empty.", field="question")
    limit = settings.CHAT_MAX_QUESTION_CHARACTERS
    if len(text) > limit:
        message = f"The question has {len(text):,} characters; at most {limit:,} are accepted."
        raise QuestionRejected(message, field="question")
    if FORBIDDEN.search(text):
        message = "The question holds control characters or broken Unicode; send plain text."
        raise QuestionRejected(message, field="question")
    return text


def encode_question(
    encoder: Encoder, text: str, turns: Sequence[WeightedText] = (), *, standalone: str = ""
) -> Question:
    """One forward pass; a question over the window is asked in parts, and their vectors averaged.

    Nothing is cut: every part goes in, and the trace shows them. Earlier turns add their
    vectors by their weights.
    """
    parts = split_to_window(encoder, text)
    before = [split_to_window(encoder, turn.text) for turn in turns]
    vectors = encoder.encode_queries([*parts, *(part for each in before for part in each)])
    ends = np.cumsum([len(parts), *(len(each) for each in before)])
    means = [_unit(rows.mean(axis=0)) for rows in np.split(vectors, ends[:-1])]
    weights = [1.0, *(turn.weight for turn in turns)]
    together = sum(weight * mean for weight, mean in zip(weights, means, strict=True))
    return Question(
        text=text,
        parts=tuple(parts),
        vector=_unit(np.asarray(together, dtype=np.float32)),
        turns=tuple(turns),
        standalone=standalone or text,
    )


def encode_whole(encoder: Encoder, texts: Sequence[str], task: Task) -> Matrix:
    """Shape (len(texts), dimension): any text, those over the window as means of their parts."""
    if not texts:
        return np.zeros((0, encoder.dimension), dtype=np.float32)
    room = max(encoder.window - RESERVED_TOKENS, 1)
    counts = encoder.count_tokens(texts)
    parts = [
        split_to_window(encoder, text) if tokens > room else [text]
        for text, tokens in zip(texts, counts, strict=True)
    ]
    vectors = encoder.encode([part for each in parts for part in each], task)
    ends = np.cumsum([len(each) for each in parts])
    means = [_unit(rows.mean(axis=0)) for rows in np.split(vectors, ends[:-1])]
    return np.stack(means)


def split_to_window(encoder: Encoder, text: str) -> list[str]:
    """Halves, quarters, … of `text`, cut at white space, until each fits the window."""
    room = max(encoder.window - RESERVED_TOKENS, 1)
    parts = [text]
    while True:
        counts = encoder.count_tokens(parts)
        # A single character that does not fit is the encoder's to refuse.
        long = {i for i, tokens in enumerate(counts) if tokens > room and len(parts[i]) > 1}
        if not long:
            return parts
        parts = [
            half for i, part in enumerate(parts) for half in (_halve(part) if i in long else [part])
        ]


def _halve(text: str) -> list[str]:
    middle = len(text) // 2
    spaces = [match.start() for match in SPACE.finditer(text)]
    cut = min(spaces, key=lambda at: abs(at - middle), default=middle)
    halves = [text[:cut].strip(), text[cut:].strip()]
    return [half for half in halves if half] if all(halves) else [text[:middle], text[middle:]]


def _unit(vector: Vector) -> Vector:
    # Parts that point in opposite directions leave no direction at all: keep zeros, not NaN.
    unit: Vector = vector / max(float(np.linalg.norm(vector)), 1e-12)
    return unit
