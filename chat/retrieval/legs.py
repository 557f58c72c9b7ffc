"""The legs: each finds candidates in its own way, within the reader's scope."""

from __future__ import annotations

from dataclasses import dataclass

from chat.retrieval.question import Question
from chat.retrieval.settings import PipelineSettings
from chat.retrieval.timing import Stopwatch
from embeddings.models import IndexVersion
from embeddings.search import ArticleHit, PassageHit, search_articles, search_passages
from embeddings.words import (
    WordQuery,
    search_article_words,
    search_words,
    word_query,
)
from kb.search import SearchScope, TextHit
from kb.terms import QuestionTerms, question_terms

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
    """What each leg found, best first: passages and articles by meaning (cosine similarity)
    and by words (BM25 as a share of the most, about 0 to 1)."""

    terms: QuestionTerms
    words: WordQuery
    passages: tuple[PassageHit, ...] = ()
    passage_words: tuple[PassageHit, ...] = ()
    articles: tuple[ArticleHit, ...] = ()
    texts: tuple[TextHit, ...] = ()


def run_legs(
    version: IndexVersion,
    question: Question,
    *,
    scope: SearchScope,
    settings: PipelineSettings,
    watch: Stopwatch,
) -> LegResults:
    """Ask every leg; one query each, and one for the words' weights."""
    with watch.lap("terms"):
        terms = question_terms(
            question.texts,
            workspace_id=scope.workspace_id,
            include_internal=scope.include_internal,
        )
        words = word_query(terms, phrase_weight=settings.phrase_weight)
    with watch.lap("passages"):
        passages = search_passages(
            version, question.vector, scope=scope, limit=settings.passage_candidates
        )
    with watch.lap("words"):
        said = search_words(version, words, scope=scope, limit=settings.passage_candidates)
    with watch.lap("articles"):
        articles = search_articles(
            version, question.vector, scope=scope, limit=settings.article_candidates
        )
    with watch.lap("text"):
        texts = search_article_words(
            version, terms, words, scope=scope, limit=settings.text_candidates
        )
    return LegResults(
        terms=terms,
        words=words,
        passages=tuple(passages),
        passage_words=tuple(said),
        articles=tuple(articles),
        texts=tuple(texts),
    )
