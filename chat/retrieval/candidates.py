"""Which articles the legs put forward, and everything that is worth knowing about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from chat.retrieval.legs import LegResults
from chat.retrieval.question import Question
from chat.retrieval.settings import PipelineSettings
from embeddings.models import IndexVersion
from embeddings.scoring import ScoredPassage, score_passages
from embeddings.search import ArticleHit, PassageHit
from kb.search import SearchScope, TextHit, title_coverage


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Articles by id with the revision that was found, in no order.

    `passages` are all of theirs that the index has, `titles` by revision the share of the
    question's words that the title says.
    """

    revisions: dict[int, int] = field(default_factory=dict)
    passages: tuple[ScoredPassage, ...] = ()
    titles: dict[int, float] = field(default_factory=dict)


def gather_candidates(
    version: IndexVersion,
    question: Question,
    legs: LegResults,
    *,
    scope: SearchScope,
    settings: PipelineSettings,
) -> Candidates:
    """The best `scored_articles` of what the legs found, looked at in full. Two queries."""
    revisions = best_revisions(legs, settings)
    if not revisions:
        return Candidates()
    chosen = list(revisions.values())
    passages = score_passages(version, question.vector, legs.words, revisions=chosen, scope=scope)
    return Candidates(
        revisions=revisions,
        passages=tuple(passages),
        titles=title_coverage(legs.terms, chosen, scope=scope),
    )


def best_revisions(legs: LegResults, settings: PipelineSettings) -> dict[int, int]:
    """By article id, the revision found; at most `scored_articles`, those of the highest sum.

    A first sum of what the legs know: one that missed an article gives its worst score to it,
    or, by words, none if it found all that there are (a name that one article only has).
    """
    newest: dict[int, int] = {}
    sums: dict[int, float] = {}
    for each in _weighted(legs, settings):
        best: dict[int, float] = {}
        for article, revision, score in each.finds:
            # One may be published between two legs.
            newest[article] = max(revision, newest.get(article, 0))
            best[article] = max(score, best.get(article, score))
        floor = 0.0 if each.complete else min(best.values(), default=0.0)
        for article, score in best.items():
            sums[article] = sums.get(article, 0.0) + each.weight * (score - floor)
    order = sorted(sums, key=lambda article: (-sums[article], article))
    return {article: newest[article] for article in order[: settings.scored_articles]}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leg:
    """What one leg found as (article, revision, score); `complete` if no other has a score."""

    weight: float
    finds: list[tuple[int, int, float]]
    complete: bool = False


def _weighted(legs: LegResults, settings: PipelineSettings) -> list[_Leg]:
    texts_weight = max(settings.article_words_weight, 0.1)
    return [
        _Leg(weight=settings.passage_weight, finds=_finds(legs.passages)),
        _Leg(
            weight=settings.passage_words_weight,
            finds=_finds(legs.passage_words),
            complete=len(legs.passage_words) < settings.passage_candidates,
        ),
        _Leg(weight=settings.article_weight, finds=_finds(legs.articles)),
        # Alone they find what is not embedded yet: never without a say.
        _Leg(
            weight=texts_weight,
            finds=_finds(legs.texts),
            complete=len(legs.texts) < settings.text_candidates,
        ),
    ]


def _finds(
    hits: Iterable[PassageHit | ArticleHit | TextHit],
) -> list[tuple[int, int, float]]:
    return [(hit.article_id, hit.revision_id, hit.score) for hit in hits]
