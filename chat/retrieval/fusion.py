"""One ranking of articles from what the legs found.

Every score lies on a scale of its own that does not depend on the other candidates: cosine
similarities, and BM25 as a share of the most that the question's words could give. So the
sum means the same in a workspace of one article and of 300,000, and from one question to
the next (the confidence of an answer uses it). On six data sets it ranks better than
z-scores, min-max scores and reciprocal ranks taken over the candidates.

A passage is judged by its meaning and its words together before the best one of an article
is taken: two passages that each fit half do not make one that answers.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from chat.retrieval.legs import (
    ARTICLE,
    ARTICLE_WORDS,
    LEGS,
    PASSAGE,
    PASSAGE_WORDS,
    LegResults,
)
from chat.retrieval.settings import PipelineSettings
from embeddings.search import ArticleHit, PassageHit
from kb.search import TextHit

SPREAD = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageMatch:
    """`body[start:end]` with its cosine similarity (None: not by vector), words and sum."""

    start: int
    end: int
    similarity: float | None
    words: float
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FusedArticle:
    """An article's sum, and what each leg gave to it (None: the leg did not find it).

    `passages` are those found by vector, best first.
    """

    article_id: int
    revision_id: int
    score: float
    legs: dict[str, float | None]
    passages: tuple[PassageMatch, ...]


def fuse(legs: LegResults, settings: PipelineSettings) -> list[FusedArticle]:
    """Every article that any leg found, best first; ties by id, so that order is stable."""
    revisions = _revisions(legs)
    passages = _passages(legs, settings, revisions)
    found = _leg_scores(legs, passages, revisions)
    floor = {
        PASSAGE: min((hit.score for hit in legs.passages), default=0.0),
        ARTICLE: min((hit.score for hit in legs.articles), default=0.0),
    }
    fused = [
        FusedArticle(
            article_id=article,
            revision_id=revision,
            score=_sum(found[article], floor, settings),
            legs=found[article],
            passages=tuple(passages[article]),
        )
        for article, revision in revisions.items()
    ]
    return sorted(fused, key=lambda each: (-each.score, each.article_id))


def _revisions(legs: LegResults) -> dict[int, int]:
    """The newest revision seen of each article: one may be published between two legs."""
    newest: dict[int, int] = {}
    hits: list[PassageHit | ArticleHit | TextHit] = [*legs.passages, *legs.articles, *legs.texts]
    for hit in hits:
        newest[hit.article_id] = max(hit.revision_id, newest.get(hit.article_id, 0))
    return newest


def _passages(
    legs: LegResults, settings: PipelineSettings, revisions: dict[int, int]
) -> defaultdict[int, list[PassageMatch]]:
    matches: defaultdict[int, list[PassageMatch]] = defaultdict(list)
    for hit, words in zip(legs.passages, legs.passage_words, strict=True):
        if hit.revision_id == revisions[hit.article_id]:
            score = settings.passage_weight * hit.score + settings.passage_words_weight * words
            match = PassageMatch(
                start=hit.start, end=hit.end, similarity=hit.score, words=words, score=score
            )
            matches[hit.article_id].append(match)
    for found in matches.values():
        found.sort(key=lambda match: (-match.score, match.start))
    return matches


def _leg_scores(
    legs: LegResults, passages: defaultdict[int, list[PassageMatch]], revisions: dict[int, int]
) -> dict[int, dict[str, float | None]]:
    found: dict[int, dict[str, float | None]] = {
        article: dict.fromkeys(LEGS) for article in revisions
    }
    for article, matches in passages.items():
        found[article][PASSAGE] = matches[0].similarity
        found[article][PASSAGE_WORDS] = matches[0].words
    for near in legs.articles:
        found[near.article_id][ARTICLE] = near.score
    ceiling = legs.terms.ceiling()
    for text in legs.texts:
        found[text.article_id][ARTICLE_WORDS] = min(text.score / ceiling, 1.0)
    return found


def _sum(
    found: dict[str, float | None], floor: dict[str, float], settings: PipelineSettings
) -> float:
    """A leg that missed the article counts as the worst it found: the article is no better.

    Without a passage (not embedded yet, or none came near) the words of the whole text stand
    in, at half their worth: what is spread over an article rarely stands in one passage.
    """
    words = found[ARTICLE_WORDS] or 0.0
    passage, article = found[PASSAGE], found[ARTICLE]
    passage_words = found[PASSAGE_WORDS]
    return (
        settings.passage_weight * (floor[PASSAGE] if passage is None else passage)
        + settings.passage_words_weight
        * (SPREAD * words if passage_words is None else passage_words)
        + settings.article_weight * (floor[ARTICLE] if article is None else article)
        + settings.article_words_weight * words
    )
