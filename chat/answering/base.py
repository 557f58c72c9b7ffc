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
class Answer:
    """What the visitor is told. Without a reason to abstain, every statement is cited.

    `confidence` is the probability that the answer is right; `evidence` says what it was
    judged by, for the trace.
    """

    text: str
    citations: tuple[Quote, ...] = ()
    confidence: float
    reason: Reason = Reason.ANSWERED
    language: str
    generator: str
    evidence: Mapping[str, float] = field(default_factory=dict)

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
