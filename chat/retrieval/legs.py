"""The legs: each finds candidates in its own way, within the reader's scope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chat.retrieval.lexemes import (
    QuestionTerms,
    WordCounts,
    bm25,
    count_passage_words,
    question_terms,
)
from chat.retrieval.question import Question
from chat.retrieval.settings import PipelineSettings
from chat.retrieval.timing import Stopwatch
from embeddings.models import IndexVersion
from embeddings.search import ArticleHit, PassageHit, search_articles, search_passages
from kb.search import SearchScope, TextHit, search_text

# What the questions of the evaluation name each leg.
PASSAGE, PASSAGE_WORDS, ARTICLE, ARTICLE_WORDS = (
    "passage",
    "passage_words",
    "article",
    "article_words",
)
LEGS = (PASSAGE, PASSAGE_WORDS, ARTICLE, ARTICLE_WORDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegResults:
    """What each leg found, best first. `passage_words[i]` belongs to `passages[i]`: the
    share of the question's words (BM25, 0 to 1) in that passage."""

    terms: QuestionTerms
    passages: tuple[PassageHit, ...]
    passage_words: tuple[float, ...]
    articles: tuple[ArticleHit, ...]
    texts: tuple[TextHit, ...]


def run_legs(
    version: IndexVersion,
    question: Question,
    *,
    scope: SearchScope,
    settings: PipelineSettings,
    watch: Stopwatch,
) -> LegResults:
    """Ask every leg; six queries, however many articles there are."""
    with watch.lap("passages"):
        passages = search_passages(
            version, question.vector, scope=scope, limit=settings.passage_candidates
        )
    with watch.lap("articles"):
        articles = search_articles(
            version, question.vector, scope=scope, limit=settings.article_candidates
        )
    with watch.lap("text"):
        texts = search_text(question.text, scope=scope, limit=settings.text_candidates)
    with watch.lap("words"):
        terms = question_terms(question.text, scope=scope)
        counts = count_passage_words(passages, terms, scope=scope)
    return LegResults(
        terms=terms,
        passages=tuple(passages),
        passage_words=_word_scores(len(passages), counts, terms),
        articles=tuple(articles),
        texts=tuple(texts),
    )


def _word_scores(
    passages: int, counts: Mapping[int, WordCounts], terms: QuestionTerms
) -> tuple[float, ...]:
    sizes = [words.size for words in counts.values()]
    average = sum(sizes) / max(len(sizes), 1)
    return tuple(
        bm25(counts[number], terms, average_size=average) if number in counts else 0.0
        for number in range(passages)
    )
