"""A second opinion on the best candidates: a model that reads question and passage together.

A reranker orders what the legs have found and finds nothing itself. Its score (0 to 1) is
added, by the profile's weight, to the fused score, so that it is one more voice and not the
only one. Articles that it did not read count as the worst that it read, which keeps them
behind. Whatever happens to it, an answer is given in the fused order, and the trace says why.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace

import structlog

from chat.retrieval.fusion import FusedArticle
from chat.retrieval.results import ArticleMatch, Reranking
from chat.retrieval.settings import PipelineSettings
from chat.retrieval.sources import load_sources
from chat.retrieval.windows import passages_of
from embeddings.errors import TextNotEmbeddable
from embeddings.rerankers.base import Reranker
from embeddings.rerankers.registry import get_reranker
from embeddings.spending import spending
from embeddings.words import WordQuery
from kb.errors import DomainError
from kb.search import SearchScope

log = structlog.get_logger(__name__)

# A forward pass cannot be interrupted: past the deadline its thread works on in vain, and no
# more than these may do so at once.
_POOL = ThreadPoolExecutor(4, thread_name_prefix="rerank")
# Where a text is not halved any more: the question alone leaves no room for it.
SHORTEST = 40


def rerank(
    question: str,
    fused: Sequence[FusedArticle],
    *,
    words: WordQuery,
    scope: SearchScope,
    settings: PipelineSettings,
) -> tuple[list[FusedArticle], Reranking | None]:
    """The articles in their order with the reranker of the profile, and what it did.

    Without a reranker in the profile the order given, and None. At most two queries. Raises
    nothing but what the database raises: a reranker that is away, too slow or wrong changes
    no order.
    """
    if not settings.reranker or not fused:
        return list(fused), None
    first, rest = fused[: settings.rerank_candidates], fused[settings.rerank_candidates :]
    texts = _texts(first, words, scope, settings)
    try:
        with spending(workspace_id=scope.workspace_id, encoder=settings.reranker):
            scores, fingerprint = _scores(question, texts, settings)
    except TimeoutError:
        return list(fused), _skipped(settings, f"no answer in {settings.rerank_seconds:g} s")
    except DomainError as error:
        return list(fused), _skipped(settings, str(error))
    except Exception as error:
        # A visitor's answer does not hang on code that only orders what was found.
        log.exception("reranker_failed", reranker=settings.reranker)
        return list(fused), _skipped(settings, type(error).__name__)
    order = _add(first, rest, scores, settings.rerank_weight)
    return order, Reranking(
        reranker=settings.reranker, fingerprint=fingerprint, articles=len(scores), skipped=""
    )


def _texts(
    first: Sequence[FusedArticle],
    words: WordQuery,
    scope: SearchScope,
    settings: PipelineSettings,
) -> dict[int, str]:
    """By article id, title and best passage; those unpublished meanwhile are left out."""
    sources = load_sources([each.revision_id for each in first], scope=scope)
    articles = [
        ArticleMatch(source=sources[each.revision_id], fused=each)
        for each in first
        if each.revision_id in sources
    ]
    passages = passages_of(articles, words, settings=settings)
    texts = {}
    for article in articles:
        best = passages[article.source.article_id][0]
        passage = article.source.body[best.start : best.end]
        texts[article.source.article_id] = f"{article.source.title}\n{passage}"
    return texts


def _scores(
    question: str, texts: dict[int, str], settings: PipelineSettings
) -> tuple[dict[int, float], str]:
    """By article id, 0 to 1, and the reranker's fingerprint. Raises TimeoutError, DomainError."""
    if not texts:
        return {}, ""
    reranker = get_reranker(settings.reranker)
    context = copy_context()  # what is spent is counted to this question
    future = _POOL.submit(context.run, _read, reranker, question, list(texts.values()))
    try:
        found, fingerprint = future.result(timeout=settings.rerank_seconds)
    finally:
        future.cancel()
    return dict(zip(texts, found, strict=True)), fingerprint


def _read(reranker: Reranker, question: str, texts: Sequence[str]) -> tuple[list[float], str]:
    """Nothing is cut: a text that does not fit is read in parts, and the best part counts."""
    try:
        scores = reranker.rerank(question, texts)
    except TextNotEmbeddable:
        parts = [_parts(reranker, question, text) for text in texts]
        flat = iter(reranker.rerank(question, [part for each in parts for part in each]))
        scores = [max(next(flat) for _ in each) for each in parts]
    if not all(math.isfinite(score) and 0 <= score <= 1 for score in scores):
        raise ValueError("a reranker's score that is not within 0 and 1")
    return scores, reranker.fingerprint


def _parts(reranker: Reranker, question: str, text: str) -> list[str]:
    if len(text) <= SHORTEST or reranker.count_tokens(question, [text]) <= reranker.window:
        return [text]
    middle = len(text) // 2
    cut = text.rfind(" ", 1, middle) + 1 or middle
    halves = (text[:cut], text[cut:])
    return [part for half in halves for part in _parts(reranker, question, half)]


def _add(
    first: Sequence[FusedArticle],
    rest: Sequence[FusedArticle],
    scores: dict[int, float],
    weight: float,
) -> list[FusedArticle]:
    lowest = min(scores.values(), default=0.0)
    summed = [
        replace(
            each,
            score=each.score + weight * scores.get(each.article_id, lowest),
            rerank=scores.get(each.article_id),
        )
        for each in (*first, *rest)
    ]
    return sorted(summed, key=lambda each: (-each.score, each.article_id))


def _skipped(settings: PipelineSettings, reason: str) -> Reranking:
    log.warning("reranker_skipped", reranker=settings.reranker, reason=reason)
    return Reranking(reranker=settings.reranker, fingerprint="", articles=0, skipped=reason[:500])
