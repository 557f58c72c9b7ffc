"""`answer_question`: retrieve, generate, check every citation, keep the trace."""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chat.answering.abstaining import SENTENCES, abstention
from chat.answering.base import Answer, Generator, Quote, Reason
from chat.answering.curated import match_curated
from chat.answering.curated_answer import give_curated, nothing_retrieved
from chat.answering.extractive import ExtractiveGenerator
from chat.languages import guess_language
from chat.models import Trace
from chat.retrieval.conversation import Turn
from chat.retrieval.pipeline import retrieve
from chat.retrieval.question import clean_question
from chat.retrieval.results import Retrieval
from chat.retrieval.rewriting import Rewriting, rewrite_question
from chat.retrieval.settings import PipelineSettings, load_settings
from chat.retrieval.sources import load_sources
from chat.retrieval.timing import Stopwatch
from chat.traces import save_trace, trace_of
from embeddings.live import live_version
from embeddings.models import IndexVersion
from kb.models import Workspace
from kb.search import NO_FILTERS, Filters, SearchScope


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredQuestion:
    """An answer, what it was made from, and the trace that explains it."""

    answer: Answer
    retrieval: Retrieval
    trace: Trace

    @property
    def trace_id(self) -> uuid.UUID:
        """Of the trace, which is in the database if it was to be kept."""
        return self.trace.pk


def answer_question(
    question: str,
    *,
    workspace: Workspace,
    include_internal: bool = False,
    profile: PipelineSettings | str | None = None,
    history: Sequence[Turn] = (),
    version: IndexVersion | None = None,
    filters: Filters = NO_FILTERS,
    language: str = "",
    generator: Generator | None = None,
    use_curated: bool = True,
    keep_trace: bool = True,
    replay_of: Trace | None = None,
) -> AnsweredQuestion:
    """Answer from what is published, or say that there is no answer; the trace is saved.

    A follow-up is first made to stand alone, if a language model is set up. A curated answer
    goes next, at once and without retrieval, if they are used. `language` is the visitor's;
    empty means that of the question. Without `keep_trace` the trace is only made, whole, and
    nothing is written. No transaction is open while the encoder works. Raises what `retrieve`
    and the generator raise.
    """
    text = clean_question(question)
    settings, version = load_settings(workspace, profile), version or live_version(workspace)
    watch = Stopwatch()
    with watch.lap("rewrite"):
        rewriting = rewrite_question(text, history, settings=settings, language=language)
    asked = _Asked(
        text=text,
        history=tuple(history),
        rewriting=rewriting,
        workspace=workspace,
        settings=settings,
        version=version,
        scope=SearchScope(
            workspace_id=workspace.pk, include_internal=include_internal, filters=filters
        ),
        language=language or _language_of(text, workspace),
    )
    approved = _approved(asked, watch) if use_curated else None
    answer, retrieval = approved or _generated(asked, generator or ExtractiveGenerator(), watch)
    make = save_trace if keep_trace else trace_of
    trace = make(
        workspace,
        retrieval,
        answer=answer,
        timings=watch.laps,
        language=language,
        replay_of=replay_of,
    )
    return AnsweredQuestion(answer=answer, retrieval=retrieval, trace=trace)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A question with all that is settled before anybody looks for its answer."""

    text: str
    history: tuple[Turn, ...]
    rewriting: Rewriting
    workspace: Workspace
    settings: PipelineSettings
    version: IndexVersion
    scope: SearchScope
    language: str


def _language_of(text: str, workspace: Workspace) -> str:
    return guess_language(
        text,
        otherwise=workspace.default_language,
        among={*SENTENCES, workspace.default_language},
    )


def _alike_enough(asked: _Asked) -> float:
    """A follow-up that no model made whole means what the turns before it are about: only
    the very words of a curated question are answered then."""
    half = asked.history and not asked.rewriting.rewritten_by
    return math.inf if half else asked.settings.curated_above


def _approved(asked: _Asked, watch: Stopwatch) -> tuple[Answer, Retrieval] | None:
    """A curated answer, if there is one for this question."""
    with watch.lap("curated"):
        match = match_curated(
            asked.rewriting.text,
            workspace=asked.workspace,
            version=asked.version,
            include_internal=asked.scope.include_internal,
            threshold=_alike_enough(asked),
            language=asked.language,
            filters=asked.scope.filters,
        )
        answer = (
            give_curated(match, scope=replace(asked.scope, filters=NO_FILTERS)) if match else None
        )
    if answer is None:
        return None
    return answer, nothing_retrieved(
        asked.text,
        history=asked.history,
        rewriting=asked.rewriting,
        version=asked.version,
        scope=asked.scope,
        settings=asked.settings,
        timings=watch.milliseconds(),
    )


def _generated(asked: _Asked, generator: Generator, watch: Stopwatch) -> tuple[Answer, Retrieval]:
    retrieval = retrieve(
        asked.text,
        workspace=asked.workspace,
        include_internal=asked.scope.include_internal,
        profile=asked.settings,
        history=asked.history,
        version=asked.version,
        filters=asked.scope.filters,
        rewriting=asked.rewriting,
    )
    with watch.lap("generate"):
        made = generator.generate(retrieval, language=asked.language)
    with watch.lap("verify"):
        return verified(made, scope=retrieval.scope), retrieval


def verified(answer: Answer, *, scope: SearchScope) -> Answer:
    """The answer, if each of its quotes is in a published article in scope at this moment.

    An article may be unpublished while a generator thinks; then the answer is withdrawn
    whole, since its text repeats what it quoted. An answer that cites nothing is none, but
    for a curated one, which a person approved as a whole.
    """
    if answer.abstained:
        return replace(answer, citations=())
    if (answer.citations or answer.curated) and _all_verbatim(answer.citations, scope):
        return answer
    return replace(
        answer, text=abstention(answer.language), citations=(), confidence=0.0, reason=Reason.STALE
    )


def _all_verbatim(citations: Sequence[Quote], scope: SearchScope) -> bool:
    sources = load_sources([citation.revision_id for citation in citations], scope=scope)
    return all(
        citation.quote
        and citation.revision_id in sources
        and sources[citation.revision_id].body[citation.start : citation.end] == citation.quote
        for citation in citations
    )
