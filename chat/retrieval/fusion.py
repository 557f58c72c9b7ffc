"""One ranking of articles from what the legs found.

Every score lies on a scale of its own that does not depend on the other candidates: cosine
similarities, and BM25 as a share of the most that the question's words could give. So the
sum means the same in a workspace of one article and of 300,000, and from one question to
the next (the confidence of an answer uses it). On six data sets it ranks better than
z-scores, min-max scores and reciprocal ranks taken over the candidates.

A passage is judged by its meaning and its words together before the best one of an article
is taken: two passages that each fit half do not make one that answers. That an article's
second passage fits as well speaks for it too, a little.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from chat.retrieval.candidates import Candidates
from chat.retrieval.legs import ARTICLE, ARTICLE_WORDS, LEGS, PASSAGE, PASSAGE_WORDS, LegResults
from chat.retrieval.settings import PipelineSettings
from embeddings.scoring import ScoredPassage

TITLE = "title"
VOICES = (*LEGS, TITLE)
SPREAD = 0.5
# Similarities in a language that the model does not speak are mostly noise.
FOREIGN = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageMatch:
    """`body[start:end]` with its cosine similarity (None: not by vector), words (None: not
    stored yet) and sum."""

    start: int
    end: int
    similarity: float | None
    words: float | None
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FusedArticle:
    """An article's sum, and what each voice gave to it (None: it knows nothing of it).

    `passages` are all that the index has, best first; `rerank` is the reranker's score, 0 to 1
    (None: it did not read the article).
    """

    article_id: int
    revision_id: int
    score: float
    legs: dict[str, float | None]
    passages: tuple[PassageMatch, ...]
    rerank: float | None = None


def fuse(
    legs: LegResults,
    candidates: Candidates,
    settings: PipelineSettings,
    *,
    spoken: frozenset[str] = frozenset(),
) -> list[FusedArticle]:
    """The candidates, best first; ties by id, so that order is stable.

    `spoken` are the languages that the encoder was trained for; empty means all.
    """
    fusion = _Fusion(legs, candidates, settings, spoken)
    found = [
        fusion.article(article, revision) for article, revision in candidates.revisions.items()
    ]
    return sorted(found, key=lambda each: (-each.score, each.article_id))


class _Fusion:
    """The scores of one question, by article."""

    def __init__(
        self,
        legs: LegResults,
        candidates: Candidates,
        settings: PipelineSettings,
        spoken: frozenset[str],
    ) -> None:
        self._settings = settings
        self._spoken = spoken
        self._titles = candidates.titles
        self._articles = {hit.article_id: hit.score for hit in legs.articles}
        self._texts = {hit.article_id: hit.score for hit in legs.texts}
        self._passages: defaultdict[int, list[ScoredPassage]] = defaultdict(list)
        for passage in candidates.passages:
            self._passages[passage.article_id].append(passage)
        # A leg that missed an article counts as the worst it found: the article is no better.
        self._floor = {
            PASSAGE: min((hit.score for hit in legs.passages), default=0.0),
            ARTICLE: min(self._articles.values(), default=0.0),
        }

    def article(self, article: int, revision: int) -> FusedArticle:
        passages = [each for each in self._passages[article] if each.revision_id == revision]
        trust = self._trust(passages)
        matches = sorted(
            (self._match(each, trust) for each in passages), key=lambda m: (-m.score, m.start)
        )
        found: dict[str, float | None] = {
            PASSAGE: matches[0].similarity if matches else None,
            PASSAGE_WORDS: matches[0].words if matches else None,
            ARTICLE: self._articles.get(article),
            ARTICLE_WORDS: self._texts.get(article),
            TITLE: self._titles.get(revision),
        }
        return FusedArticle(
            article_id=article,
            revision_id=revision,
            score=self._sum(found, matches, trust),
            legs=found,
            passages=tuple(matches),
        )

    def _trust(self, passages: Sequence[ScoredPassage]) -> float:
        """How much similarities of an article's language say: 1, or little."""
        known = not self._spoken or not passages or passages[0].language in self._spoken
        return 1.0 if known else FOREIGN

    def _match(self, passage: ScoredPassage, trust: float) -> PassageMatch:
        settings = self._settings
        words = passage.words
        if words is None:
            words = _stand_in(self._texts.get(passage.article_id))
        return PassageMatch(
            start=passage.start,
            end=passage.end,
            similarity=passage.similarity,
            words=passage.words,
            score=settings.passage_weight * trust * passage.similarity
            + settings.passage_words_weight * words,
        )

    def _sum(
        self, found: dict[str, float | None], matches: Sequence[PassageMatch], trust: float
    ) -> float:
        settings = self._settings
        article = found[ARTICLE]
        return (
            self._passage_part(found, matches)
            + settings.article_weight
            * trust
            * (self._floor[ARTICLE] if article is None else article)
            + settings.article_words_weight * (found[ARTICLE_WORDS] or 0.0)
            + settings.title_weight * (found[TITLE] or 0.0)
        )

    def _passage_part(
        self, found: dict[str, float | None], matches: Sequence[PassageMatch]
    ) -> float:
        """The best passage with the support of the second; an only one supports itself.

        Without a passage (not embedded yet) the worst that was found stands in.
        """
        settings = self._settings
        if not matches:
            words = _stand_in(found[ARTICLE_WORDS])
            return (
                settings.passage_weight * self._floor[PASSAGE]
                + settings.passage_words_weight * words
            )
        best, second = matches[0].score, matches[min(1, len(matches) - 1)].score
        return (best + settings.support_weight * second) / (1 + settings.support_weight)


def _stand_in(article_words: float | None) -> float:
    """For the words of a passage that are not known those of the whole text, at half their
    worth: what is spread over an article rarely stands in one passage."""
    return SPREAD * (article_words or 0.0)
