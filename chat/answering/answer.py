"""`answer_question`: retrieve, generate, check every citation, keep the trace."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chat.answering.abstaining import SENTENCES, abstention
from chat.answering.base import Answer, Generator, Quote, Reason
from chat.answering.extractive import ExtractiveGenerator
from chat.languages import guess_language
from chat.retrieval.pipeline import retrieve
from chat.retrieval.results import Retrieval
from chat.retrieval.settings import PipelineSettings
from chat.retrieval.sources import load_sources
from chat.retrieval.timing import Stopwatch
from chat.traces import save_trace
from kb.models import Workspace
from kb.search import SearchScope


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredQuestion:
    """An answer, what it was made from, and the id of the trace that explains it."""

    answer: Answer
    retrieval: Retrieval
    trace_id: uuid.UUID


def answer_question(
    question: str,
    *,
    workspace: Workspace,
    include_internal: bool = False,
    profile: PipelineSettings | str | None = None,
    language: str = "",
    generator: Generator | None = None,
) -> AnsweredQuestion:
    """Answer from what is published, or say that there is no answer; the trace is saved.

    `language` is the visitor's; empty means that of the question. No transaction is open
    while the encoder works. Raises what `retrieve` and the generator raise.
    """
    generator = generator or ExtractiveGenerator()
    retrieval = retrieve(
        question, workspace=workspace, include_internal=include_internal, profile=profile
    )
    spoken = language or guess_language(
        retrieval.question.text,
        otherwise=workspace.default_language,
        among={*SENTENCES, workspace.default_language},
    )
    watch = Stopwatch()
    with watch.lap("generate"):
        made = generator.generate(retrieval, language=spoken)
    with watch.lap("verify"):
        answer = verified(made, scope=retrieval.scope)
    trace = save_trace(workspace, retrieval, answer=answer, timings=watch.laps)
    return AnsweredQuestion(answer=answer, retrieval=retrieval, trace_id=trace.pk)


def verified(answer: Answer, *, scope: SearchScope) -> Answer:
    """The answer, if each of its quotes is in a published article in scope at this moment.

    An article may be unpublished while a generator thinks; then the answer is withdrawn
    whole, since its text repeats what it quoted. An answer that cites nothing is none.
    """
    if answer.abstained:
        return replace(answer, citations=())
    if answer.citations and _all_verbatim(answer.citations, scope):
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
