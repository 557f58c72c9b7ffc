"""Traces: what a question went through, in a JSON form that explains any answer.

`detail` holds `question` (`asked`, the `text` that was searched, its parts, the `history`
before it, `standalone`, for people to read, and the visitor's `language`, if it was given),
`rewriting` (of a follow-up: the model, or why none), `index`, `settings`, `scope`, `legs` (ids
and scores as found), `fused` (the ranking with each leg's share), `context` (spans with offsets,
score and why), `answer` (generator, reason, citations, evidence) and `timings` in milliseconds.
Article text is not copied, except for what the answer quotes. What is stored of the words is the
workspace's choice (`chat.tracing.privacy`).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.db.models import QuerySet

from chat.answering.base import Answer
from chat.models import Trace
from chat.models.trace_policy import policy_of
from chat.retrieval.fusion import FusedArticle
from chat.retrieval.legs import LegResults
from chat.retrieval.results import ContextSpan, Retrieval
from chat.tracing.privacy import withhold
from kb.access import Caller, Permission, require
from kb.errors import NotFound
from kb.models import Workspace
from kb.search import SearchScope

# A trace explains an answer; what came after the first fifty did not make it.
KEPT_CANDIDATES = 50


def save_trace(
    workspace: Workspace,
    retrieval: Retrieval,
    *,
    answer: Answer | None = None,
    timings: Mapping[str, float] | None = None,
    language: str = "",
    replay_of: Trace | None = None,
) -> Trace:
    """Keep what happened, as far as the workspace's policy lets it. Two queries."""
    trace = trace_of(
        workspace,
        retrieval,
        answer=answer,
        timings=timings,
        language=language,
        replay_of=replay_of,
    )
    withhold(trace, policy_of(workspace)).save(force_insert=True)
    return trace


def trace_of(
    workspace: Workspace,
    retrieval: Retrieval,
    *,
    answer: Answer | None = None,
    timings: Mapping[str, float] | None = None,
    language: str = "",
    replay_of: Trace | None = None,
) -> Trace:
    """The whole trace, not saved; without an answer it was a retrieval only.

    `language` is the visitor's, if it was given.
    """
    return Trace(
        workspace=workspace,
        question=retrieval.asked or retrieval.question.text,
        index_version_id=retrieval.index.id,
        encoder_fingerprint=retrieval.index.fingerprint,
        profile=retrieval.settings.name,
        include_internal=retrieval.scope.include_internal,
        answer=answer.text if answer else "",
        abstained=answer.abstained if answer else None,
        confidence=answer.confidence if answer else None,
        detail=describe(retrieval, answer, timings or {}, language=language),
        replay_of=replay_of,
    )


def traces_of(caller: Caller) -> QuerySet[Trace]:
    """Traces of the caller's workspace; those that saw internal articles only for who may.

    Raises Forbidden.
    """
    require(caller, Permission.TRACES_READ)
    traces = Trace.objects.filter(workspace=caller.workspace)
    return traces if caller.include_internal else traces.filter(include_internal=False)


def access_trace(caller: Caller, trace_id: uuid.UUID) -> Trace:
    """One of them. Raises Forbidden without the permission, NotFound for everything else."""
    trace = traces_of(caller).filter(pk=trace_id).first()
    if trace is None:
        raise NotFound("There is no such trace.")
    return trace


def describe(
    retrieval: Retrieval,
    answer: Answer | None,
    timings: Mapping[str, float],
    *,
    language: str = "",
) -> dict[str, Any]:
    """The JSON form; plain numbers and strings only."""
    return {
        "question": {**_question(retrieval), "language": language},
        "rewriting": _rewriting(retrieval),
        "index": asdict(retrieval.index),
        "settings": retrieval.settings.as_json(),
        "scope": _scope(retrieval.scope),
        "legs": _legs(retrieval.legs),
        "fused": [_fused(each) for each in retrieval.fused[:KEPT_CANDIDATES]],
        "reranking": asdict(retrieval.reranking) if retrieval.reranking else None,
        "context": [_span(span) for span in retrieval.context],
        "answer": _answer(answer) if answer else None,
        "timings": {**retrieval.timings, **timings},
    }


def _question(retrieval: Retrieval) -> dict[str, Any]:
    return {
        "asked": retrieval.asked or retrieval.question.text,
        "text": retrieval.question.text,
        "parts": list(retrieval.question.parts),
        "standalone": retrieval.question.standalone,
        "turns": [_rounded(asdict(turn)) for turn in retrieval.question.turns],
        "history": [asdict(turn) for turn in retrieval.history],
    }


def _rewriting(retrieval: Retrieval) -> dict[str, str] | None:
    """Whose words the question has, or why not a model's; nothing that was said."""
    made = retrieval.rewriting
    return (
        {"rewritten_by": made.rewritten_by, "skipped": made.skipped} if retrieval.history else None
    )


def _scope(scope: SearchScope) -> dict[str, Any]:
    return {"include_internal": scope.include_internal, "filters": scope.filters.as_json()}


def _legs(legs: LegResults) -> dict[str, Any]:
    return {
        "passage": [_rounded(asdict(hit)) for hit in legs.passages[:KEPT_CANDIDATES]],
        "passage_words": [_rounded(asdict(hit)) for hit in legs.passage_words[:KEPT_CANDIDATES]],
        "article": [_rounded(asdict(hit)) for hit in legs.articles[:KEPT_CANDIDATES]],
        "article_words": [_rounded(asdict(hit)) for hit in legs.texts[:KEPT_CANDIDATES]],
        "terms": {
            language: _rounded(dict(known.weights))
            for language, known in legs.terms.languages.items()
        },
    }


def _fused(fused: FusedArticle) -> dict[str, Any]:
    return {
        "article_id": fused.article_id,
        "revision_id": fused.revision_id,
        "score": round(fused.score, 4),
        "legs": _rounded(fused.legs),
        **({} if fused.rerank is None else {"rerank": round(fused.rerank, 4)}),
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
        "also": [asdict(place) for place in span.also],
    }


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "generator": answer.generator,
        "language": answer.language,
        "reason": str(answer.reason),
        "confidence": round(answer.confidence, 4),
        "evidence": _evidence(answer),
        "curated": _rounded(asdict(answer.curated)) if answer.curated else None,
        "citations": [asdict(citation) for citation in answer.citations],
    }


def _evidence(answer: Answer) -> dict[str, Any]:
    """What the confidence was judged by, and with which coefficients."""
    judged = {"calibration": answer.calibration} if answer.calibration else {}
    return _rounded(dict(answer.evidence)) | judged


def _rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: round(value, 4) if isinstance(value, float) else value for key, value in values.items()
    }
