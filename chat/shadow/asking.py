"""A live question asked of a candidate, and what both made of it.

It is asked as the trace has it: settings, reader, filters, history, and the words that were
searched (no language model is asked again). The answer goes nowhere; kept are numbers and ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction

from chat.answering.answer import verified
from chat.answering.base import Answer
from chat.answering.extractive import ExtractiveGenerator
from chat.models import ShadowComparison, Trace
from chat.retrieval.pipeline import retrieve
from chat.retrieval.results import Retrieval
from chat.retrieval.rewriting import Rewriting
from chat.retrieval.timing import Stopwatch
from chat.services.traces import filters_of, history_of, settings_of
from embeddings.models import IndexVersion
from embeddings.services.shadowing import SHADOWED

DEPTH = 5
ANSWERING = ("total", "generate", "verify")


def is_comparable(trace: Trace) -> bool:
    """Whether another version can be asked the very same: the words were kept, whole, and the
    answer came from retrieval and not from a curated one."""
    answer = trace.detail.get("answer") or {}
    masked = (trace.detail.get("privacy") or {}).get("masked", False)
    retrieved = trace.abstained is not None and not answer.get("curated")
    return bool(trace.question) and retrieved and not masked


def ask_candidate(trace: Trace, candidate: IndexVersion) -> ShadowComparison | None:
    """None if there is nothing to compare (any more), or it was done before.

    Raises what `retrieve` and the generator raise, and Conflict for a trace whose settings or
    filters are not known any more.
    """
    live = _live_of(trace, candidate)
    if live is None or candidate.shadows.filter(trace=trace).exists():
        return None
    watch = Stopwatch()
    retrieval, answer = _ask(trace, candidate)
    theirs = [each["article_id"] for each in trace.detail["fused"][:DEPTH]]
    ours = [each.article_id for each in retrieval.fused[:DEPTH]]
    return _store(
        ShadowComparison(
            trace=trace,
            live=live,
            candidate=candidate,
            same_top=theirs[:1] == ours[:1],
            overlap=overlap(theirs, ours),
            live_answered=not trace.abstained,
            candidate_answered=not answer.abstained,
            live_confidence=trace.confidence or 0.0,
            candidate_confidence=answer.confidence,
            live_ranking=theirs,
            candidate_ranking=ours,
            live_ms=_answering_ms(trace.detail.get("timings") or {}),
            candidate_ms=watch.milliseconds()["total"],
        )
    )


def overlap(one: Sequence[int], other: Sequence[int]) -> float:
    """The share of the longer ranking's articles that the other has too; 1 for two empty ones."""
    longest = max(len(one), len(other))
    return len(set(one) & set(other)) / longest if longest else 1.0


def _live_of(trace: Trace, candidate: IndexVersion) -> IndexVersion | None:
    """The version that answered, if the candidate may be asked beside it."""
    wanted = candidate.state in SHADOWED and candidate.shadow_share > 0
    if not wanted or candidate.pk == trace.index_version_id or not is_comparable(trace):
        return None
    if candidate.workspace_id != trace.workspace_id:
        return None
    versions = IndexVersion.objects.filter(workspace=trace.workspace_id)
    return versions.filter(pk=trace.index_version_id).first()


def _ask(trace: Trace, candidate: IndexVersion) -> tuple[Retrieval, Answer]:
    retrieval = retrieve(
        trace.question,
        workspace=trace.workspace,
        include_internal=trace.include_internal,
        profile=settings_of(trace),
        history=history_of(trace),
        version=candidate,
        filters=filters_of(trace),
        rewriting=_rewriting(trace),
    )
    language = str((trace.detail.get("answer") or {}).get("language", ""))
    made = ExtractiveGenerator().generate(retrieval, language=language or "en")
    return retrieval, verified(made, scope=retrieval.scope)


def _rewriting(trace: Trace) -> Rewriting:
    """As it was: the words that were searched, and whose they are."""
    made: Mapping[str, Any] = trace.detail.get("rewriting") or {}
    by, skipped = str(made.get("rewritten_by", "")), str(made.get("skipped", ""))
    searched = (trace.detail.get("question") or {}).get("text") or trace.question
    return Rewriting(text=searched if by else trace.question, rewritten_by=by, skipped=skipped)


def _answering_ms(timings: Mapping[str, float]) -> float:
    return sum(timings.get(step, 0.0) for step in ANSWERING)


def _store(comparison: ShadowComparison) -> ShadowComparison | None:
    """Unless it is there, or the trace has gone since."""
    try:
        with transaction.atomic():
            if not Trace.objects.select_for_update(no_key=True).filter(pk=comparison.trace_id):
                return None
            comparison.save(force_insert=True)
    except IntegrityError:
        return None
    return comparison
