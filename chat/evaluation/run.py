"""Asks labelled questions through the real pipeline, one by one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import structlog

from chat.answering.base import Answer, Generator
from chat.errors import QuestionRejected
from chat.evaluation.hiding import unpublished
from chat.evaluation.metrics import DEPTH, measure_question
from chat.evaluation.questions import AskedQuestion
from chat.evaluation.shelves import Shelf
from chat.models import QuestionOutcome
from chat.retrieval.legs import ARTICLE, ARTICLE_WORDS, LEGS, PASSAGE, PASSAGE_WORDS
from chat.retrieval.pipeline import retrieve
from chat.retrieval.results import Retrieval
from chat.retrieval.settings import PipelineSettings
from embeddings.errors import TextNotEmbeddable
from embeddings.models import IndexVersion
from kb.models import Workspace

log = structlog.get_logger(__name__)

FUSED = "fused"
NOT_ASKABLE = (TextNotEmbeddable, QuestionRejected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Where and how questions are asked; with a `generator` answers are judged too."""

    workspace: Workspace
    version: IndexVersion
    settings: PipelineSettings
    generator: Generator | None = None


def evaluate(
    questions: Iterable[AskedQuestion],
    asker: Asker,
    *,
    shelves: dict[int, Shelf],
) -> Iterator[QuestionOutcome]:
    """The one loop: an unsaved outcome for each question.

    Raises what `retrieve` and the generator raise; no trace is saved.
    """
    for question in questions:
        yield ask(question, asker, shelves=shelves)


def ask(question: AskedQuestion, asker: Asker, *, shelves: dict[int, Shelf]) -> QuestionOutcome:
    """One question, as visitors with every right would ask it.

    One that cannot be asked (too long for this encoder, say) has found nothing, as for them.
    """
    began = time.perf_counter()
    try:
        return _ask(question, asker, shelves=shelves)
    except NOT_ASKABLE as error:
        log.info("question_not_askable", key=question.key, code=error.code)
        milliseconds = (time.perf_counter() - began) * 1000
        return _found_nothing(question, asker, shelves=shelves, milliseconds=milliseconds)


def _ask(question: AskedQuestion, asker: Asker, *, shelves: dict[int, Shelf]) -> QuestionOutcome:
    settings = replace(asker.settings, articles=max(asker.settings.articles, DEPTH))
    if asker.generator is not None:
        # Every answer is made, and judged by its confidence afterwards.
        settings = replace(settings, abstain_below=0.0)
    hiding = unpublished(question.judged) if question.hidden else nullcontext()
    with hiding:
        retrieval = retrieve(
            question.text,
            workspace=asker.workspace,
            include_internal=True,
            profile=settings,
            history=question.history,
            version=asker.version,
        )
        answer = (
            asker.generator.generate(retrieval, language=question.language or "en")
            if asker.generator
            else None
        )
    outcome = QuestionOutcome(
        key=question.key,
        text=question.text,
        answerable=question.answerable,
        hidden=question.hidden,
        latency_ms=retrieval.timings["total"],
        **_ranked(question, retrieval),
        **_shelved(question, shelves),
    )
    if answer is not None:
        _judge(outcome, question, answer, abstain_below=asker.settings.abstain_below)
    return outcome


def _found_nothing(
    question: AskedQuestion, asker: Asker, *, shelves: dict[int, Shelf], milliseconds: float
) -> QuestionOutcome:
    outcome = QuestionOutcome(
        key=question.key,
        text=question.text,
        answerable=question.answerable,
        hidden=question.hidden,
        latency_ms=milliseconds,
        **_shelved(question, shelves),
    )
    if question.answerable:
        nothing: dict[str, list[int]] = {name: [] for name in (FUSED, *LEGS)}
        outcome.measures = measure_question(nothing, question.judged)
        ranged = any(place.start is not None for place in question.places)
        outcome.span_found = False if ranged else None
    if asker.generator is not None:
        outcome.answered = False
    return outcome


def leg_rankings(retrieval: Retrieval) -> dict[str, list[int]]:
    """The articles that each leg alone would give, best first; the only place that knows."""
    legs = retrieval.legs
    return {
        PASSAGE: _distinct(hit.article_id for hit in legs.passages),
        PASSAGE_WORDS: _distinct(hit.article_id for hit in legs.passage_words),
        ARTICLE: _distinct(hit.article_id for hit in legs.articles),
        ARTICLE_WORDS: _distinct(hit.article_id for hit in legs.texts),
    }


def legs_in_order(names: Iterable[str]) -> list[str]:
    """Legs as the pipeline lists them; unknown ones of older runs last."""
    known = {name: place for place, name in enumerate(LEGS)}
    return sorted(names, key=lambda name: (known.get(name, len(known)), name))


def _ranked(question: AskedQuestion, retrieval: Retrieval) -> dict[str, Any]:
    fused = _distinct(hit.source.article_id for hit in retrieval.hits)
    found: dict[str, Any] = {"ranking": fused[:DEPTH]}
    if not question.answerable:
        return found
    judged = question.judged
    places = (place for place, article in enumerate(fused, start=1) if article in judged)
    return found | {
        "measures": measure_question({FUSED: fused, **leg_rankings(retrieval)}, judged),
        "rank": next(places, None),
        "span_found": _span_found(question, retrieval),
    }


def _span_found(question: AskedQuestion, retrieval: Retrieval) -> bool | None:
    ranged = [place for place in question.places if place.start is not None]
    if not ranged:
        return None
    return any(
        place.inside(span.source.article_id, span.start, span.end)
        for place in ranged
        for span in retrieval.context
    )


def _judge(
    outcome: QuestionOutcome, question: AskedQuestion, answer: Answer, *, abstain_below: float
) -> None:
    outcome.confidence = answer.confidence
    outcome.evidence = {name: round(value, 4) for name, value in answer.evidence.items()}
    outcome.answered = bool(answer.citations) and answer.confidence >= abstain_below
    if answer.citations:
        outcome.right = question.answerable and any(
            place.overlaps(quote.article_id, quote.start, quote.end)
            for place in question.places
            for quote in answer.citations
        )


def _shelved(question: AskedQuestion, shelves: dict[int, Shelf]) -> dict[str, str]:
    """Where the first of the articles that answer stands."""
    known = (shelves[place.article] for place in question.places if place.article in shelves)
    shelf = next(known, Shelf())
    return {
        "language": question.language or shelf.language,
        "collection": shelf.collection,
        "length": shelf.length,
    }


def _distinct(articles: Iterable[int]) -> list[int]:
    return list(dict.fromkeys(articles))
