"""The seam between context and answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from chat.retrieval.results import Retrieval


class Reason(StrEnum):
    """Why there is no answer; empty for an answer."""

    ANSWERED = ""
    NO_MATCH = "no_match"
    AMBIGUOUS = "ambiguous"
    OUT_OF_SCOPE = "out_of_scope"
    STALE = "stale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Citation `[number]`: `quote == body[start:end]` of the revision's body."""

    number: int
    article_id: int
    revision_id: int
    external_id: str | None
    title: str
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CuratedMatch:
    """The curated answer that a question asks for, and the wording by which it was found.

    `similarity` is how alike the two questions are (`chat.answering.likeness`), 1.0 for an
    `exact` one (equal but for case, white space and end marks).
    """

    answer_id: int
    question_id: int
    question: str
    similarity: float
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the visitor is told. Without a reason to abstain, every statement is cited; but a
    `curated` answer was approved by a person as a whole, so that it may cite nothing, and its
    citations say what it stands on.

    `confidence` is the probability that the answer is right (of a curated one, how alike the
    questions are); `evidence` says what it was judged by, for the trace, and `calibration`
    with which coefficients (an id, `shipped`, or empty for a generator that has none).
    """

    text: str
    citations: tuple[Quote, ...] = ()
    confidence: float
    reason: Reason = Reason.ANSWERED
    language: str
    generator: str
    evidence: Mapping[str, float] = field(default_factory=dict)
    calibration: str = ""
    curated: CuratedMatch | None = None

    @property
    def abstained(self) -> bool:
        """Whether this says that there is no answer."""
        return self.reason != Reason.ANSWERED


class Generator(Protocol):
    """Makes an answer from context. The text of articles is data: nothing in it is obeyed."""

    @property
    def name(self) -> str:
        """What the trace calls it."""

    def generate(self, retrieval: Retrieval, *, language: str) -> Answer:
        """An answer, or an abstention in `language`, from `retrieval.context` alone.

        Raises EncoderUnavailable, or whatever says that a model behind it is away.
        """
