"""Importing a file of labelled questions into a set: all of it or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import transaction

from chat.evaluation.files import ReadQuestion, read_questions
from chat.evaluation.labels import Label
from chat.evaluation.questions import locate
from chat.models import QuestionOrigin, QuestionSet
from chat.services.question_sets import Expectation, NewQuestion, checked, store_questions
from kb.content import FORBIDDEN
from kb.errors import ImportRefused, InvalidInput
from kb.models import Article

Articles = Mapping[str, Article]


def import_questions(question_set: QuestionSet, *, name: str, data: bytes) -> int:
    """How many questions were stored; those whose keys the set knows are replaced.

    `name` ends in .jsonl or .csv. Articles are named by external id, or else by id. Raises
    ImportRefused that names each faulty line, TooLarge, InvalidInput; then nothing is stored.
    """
    read = read_questions(name, data)
    articles = _articles(question_set, read)
    problems: list[str] = []
    questions: dict[str, NewQuestion] = {}
    for each in read:
        try:
            question = checked(question_set, _question(each, articles))
        except InvalidInput as error:
            problems.append(f"{name}, line {each.line}: {error}")
            continue
        if question.key in questions:
            problems.append(f"{name}, line {each.line}: {question.key!r} is there twice.")
        questions[question.key] = question
    if problems:
        raise ImportRefused(problems)
    with transaction.atomic():
        QuestionSet.objects.select_for_update(no_key=True).get(pk=question_set.pk)
        store_questions(question_set, list(questions.values()), origin=QuestionOrigin.IMPORTED)
    return len(questions)


def find_articles(question_set: QuestionSet, names: Sequence[str]) -> dict[str, Article]:
    """By the name given, articles of the set's workspace: external ids first, then ids."""
    mine = Article.objects.in_workspace(question_set.workspace).with_texts()
    found = {str(each.external_id): each for each in mine.filter(external_id__in=names)}
    ids = [int(name) for name in names if name not in found and name.isdecimal() and len(name) < 18]
    return found | {str(each.pk): each for each in mine.filter(pk__in=ids)}


def _articles(question_set: QuestionSet, read: Sequence[ReadQuestion]) -> Articles:
    names = {label.article for each in read for label in each.labelled.labels}
    # No article is called what PostgreSQL cannot hold.
    return find_articles(question_set, sorted(n for n in names if not FORBIDDEN.search(n)))


def _question(each: ReadQuestion, articles: Articles) -> NewQuestion:
    return NewQuestion(
        text=each.text,
        key=each.key,
        history=each.history,
        answerable=each.labelled.answerable,
        expected=tuple(_expectation(label, articles) for label in each.labelled.labels),
        language=each.labelled.language,
        kind=each.kind,
        tags=each.tags,
    )


def _expectation(label: Label, articles: Articles) -> Expectation:
    article = articles.get(label.article)
    if article is None:
        raise InvalidInput(f"The workspace has no article {label.article!r}.")
    revision = article.published_revision or article.latest_revision
    body = revision.body if revision else ""
    quote = label.quote
    if not label.verbatim and locate(quote, body, near=0) is None:
        quote = ""  # an answer in words of its own says nothing of the place
    return Expectation(
        article=article,
        quote=quote,
        start=label.start,
        end=label.end,
        relevance=label.relevance,
    )
