"""Traces: what a question went through, in a JSON form that explains any answer.

`detail` holds `question` (text and parts), `index`, `settings`, `scope`, `legs` (ids and
scores as found), `fused` (the ranking with each leg's share), `context` (spans with
offsets, score and why), `answer` (generator, reason, citations, evidence) and `timings`
in milliseconds. Article text is not copied, except for what the answer quotes.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from chat.answering.base import Answer
from chat.models import Trace
from chat.retrieval.fusion import FusedArticle
from chat.retrieval.legs import LegResults
from chat.retrieval.results import ContextSpan, Retrieval
from kb.access import Caller, Permission, require
from kb.errors import NotFound
from kb.models import Workspace

# A trace explains an answer; what came after the first fifty did not make it.
KEPT_CANDIDATES = 50


def save_trace(
    workspace: Workspace,
    retrieval: Retrieval,
    *,
    answer: Answer | None = None,
    timings: Mapping[str, float] | None = None,
) -> Trace:
    """Keep what happened; without an answer it was a retrieval only. One query."""
    return Trace.objects.create(
        workspace=workspace,
        question=retrieval.question.text,
        index_version_id=retrieval.index.id,
        encoder_fingerprint=retrieval.index.fingerprint,
        profile=retrieval.settings.name,
        include_internal=retrieval.scope.include_internal,
        answer=answer.text if answer else "",
        abstained=answer.abstained if answer else None,
        confidence=answer.confidence if answer else None,
        detail=describe(retrieval, answer, timings or {}),
    )


def access_trace(caller: Caller, trace_id: uuid.UUID) -> Trace:
    """A trace of the caller's workspace; one that saw internal articles only for who may.

    Raises Forbidden without the permission, NotFound for everything else.
    """
    require(caller, Permission.TRACES_READ)
    traces = Trace.objects.filter(workspace=caller.workspace)
    if not caller.include_internal:
        traces = traces.filter(include_internal=False)
    trace = traces.filter(pk=trace_id).first()
    if trace is None:
        raise NotFound("There is no such trace.")
    return trace


def describe(
    retrieval: Retrieval, answer: Answer | None, timings: Mapping[str, float]
) -> dict[str, Any]:
    """The JSON form; plain numbers and strings only."""
    return {
        "question": {"text": retrieval.question.text, "parts": list(retrieval.question.parts)},
        "index": asdict(retrieval.index),
        "settings": retrieval.settings.as_json(),
        "scope": _without_tenant(asdict(retrieval.scope)),
        "legs": _legs(retrieval.legs),
        "fused": [_fused(each) for each in retrieval.fused[:KEPT_CANDIDATES]],
        "context": [_span(span) for span in retrieval.context],
        "answer": _answer(answer) if answer else None,
        "timings": {**retrieval.timings, **timings},
    }


def _without_tenant(scope: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in scope.items() if key != "workspace_id"}


def _legs(legs: LegResults) -> dict[str, Any]:
    return {
        "passage": [
            {**_rounded(asdict(hit)), "words": round(words, 4)}
            for hit, words in zip(legs.passages, legs.passage_words, strict=True)
        ][:KEPT_CANDIDATES],
        "article": [_rounded(asdict(hit)) for hit in legs.articles[:KEPT_CANDIDATES]],
        "article_words": [_rounded(asdict(hit)) for hit in legs.texts[:KEPT_CANDIDATES]],
        "terms": {
            language: _rounded(dict(weights)) for language, weights in legs.terms.weights.items()
        },
    }


def _fused(fused: FusedArticle) -> dict[str, Any]:
    return {
        "article_id": fused.article_id,
        "revision_id": fused.revision_id,
        "score": round(fused.score, 4),
        "legs": _rounded(fused.legs),
    }


def _span(span: ContextSpan) -> dict[str, Any]:
    return {
        "article_id": span.source.article_id,
        "revision_id": span.source.revision_id,
        "title": span.source.title,
        "start": span.start,
        "end": span.end,
        "tokens": span.tokens,
        "score": round(span.score, 4),
        "why": span.why,
        "headings": list(span.headings),
    }


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "generator": answer.generator,
        "language": answer.language,
        "reason": str(answer.reason),
        "confidence": round(answer.confidence, 4),
        "evidence": _rounded(dict(answer.evidence)),
        "citations": [asdict(citation) for citation in answer.citations],
    }


def _rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: round(value, 4) if isinstance(value, float) else value for key, value in values.items()
    }
