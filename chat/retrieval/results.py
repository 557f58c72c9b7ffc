"""What a retrieval found: values that doors render, generators read and traces keep."""

from __future__ import annotations

from dataclasses import dataclass, field

from chat.retrieval.conversation import Turn
from chat.retrieval.fusion import FusedArticle, PassageMatch
from chat.retrieval.legs import LegResults
from chat.retrieval.question import Question
from chat.retrieval.rewriting import Rewriting
from chat.retrieval.settings import PipelineSettings
from chat.retrieval.sources import Source
from kb.search import SearchScope


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexIdentity:
    """The index version that was asked; `encoder` is its alias in the settings."""

    id: int
    number: int
    encoder: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleMatch:
    """A published article with its place in the ranking."""

    source: Source
    fused: FusedArticle

    @property
    def score(self) -> float:
        """The fused score, a reranker's share in it; 0 to the sum of the profile's weights."""
        return self.fused.score


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Characters `start` to `end` of a revision's body."""

    article_id: int
    revision_id: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextSpan:
    """`source.body[start:end]`: text for a generator to answer from.

    `tokens` are the encoder's; `why` says in words why it was chosen; `matches` are the
    passages inside it, best first; `also` says where else the same words stand.
    """

    source: Source
    start: int
    end: int
    tokens: int
    score: float
    why: str
    headings: tuple[str, ...]
    matches: tuple[PassageMatch, ...]
    also: tuple[Place, ...] = ()

    @property
    def text(self) -> str:
        """The span's words, verbatim."""
        return self.source.body[self.start : self.end]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reranking:
    """What the reranker did: how many articles it read, or why it did not (`skipped`)."""

    reranker: str
    fingerprint: str
    articles: int
    skipped: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """A question and what was found for it; `timings` in milliseconds by step.

    `asked` is what was said, after `history`; `question` is what was looked for, and
    `rewriting` says how the one became the other.
    """

    asked: str = ""
    history: tuple[Turn, ...] = ()
    rewriting: Rewriting
    question: Question
    index: IndexIdentity
    scope: SearchScope
    settings: PipelineSettings
    legs: LegResults = field(repr=False)
    fused: tuple[FusedArticle, ...] = field(repr=False)
    hits: tuple[ArticleMatch, ...]
    context: tuple[ContextSpan, ...]
    timings: dict[str, float]
    reranking: Reranking | None = None
