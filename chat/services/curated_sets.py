"""Question sets made of curated answers: people have said already which article answers what."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from django.db import transaction

from chat.models import CuratedAnswer, QuestionOrigin, QuestionSet
from chat.services.curated import curated_answers_of
from chat.services.question_sets import (
    Expectation,
    NewQuestion,
    checked,
    create_question_set,
    store_questions,
)
from kb.access import Caller, Permission, require
from kb.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class CuratedSet:
    """The set; how many questions are in it, and how many answers had no article to expect."""

    question_set: QuestionSet
    questions: int
    without_article: int


def make_set_of_curated(caller: Caller, *, answer_ids: Collection[int], name: str) -> CuratedSet:
    """A new set of every wording of these answers, each expecting the answer's articles.

    Answers that stand on no article are left out: nothing could be judged. Raises Forbidden,
    Conflict if the name is taken, InvalidInput when nothing is left.
    """
    require(caller, Permission.EVALUATE)
    mine = curated_answers_of(caller).filter(pk__in=answer_ids).order_by("pk")
    answers = list(mine.prefetch_related("questions", "sources__article"))
    questions = [question for answer in answers for question in questions_from_curated(answer)]
    if not questions:
        raise InvalidInput("None of these answers stands on an article: nothing to expect.")
    with transaction.atomic():
        made = create_question_set(caller.workspace, name=name)
        checked_ones = [checked(made, question) for question in questions]
        store_questions(made, checked_ones, origin=QuestionOrigin.CURATED)
    usable = sum(any(source.article for source in answer.sources.all()) for answer in answers)
    return CuratedSet(
        question_set=made, questions=len(questions), without_article=len(answers) - usable
    )


def questions_from_curated(answer: CuratedAnswer) -> Iterator[NewQuestion]:
    """Its wordings, if it stands on an article; with questions and sources prefetched, no query."""
    articles = [source.article for source in answer.sources.all() if source.article]
    for question in answer.questions.all() if articles else ():
        yield NewQuestion(
            text=question.text,
            key=f"curated-{question.pk}",
            expected=tuple(Expectation(article=article) for article in articles),
            language=answer.language,
            kind="curated",
        )
