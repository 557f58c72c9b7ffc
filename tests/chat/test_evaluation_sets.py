"""Question sets filled by hand and from traces; the database keeps what must hold."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from chat.evaluation.questions import Place, locate
from chat.evaluation.sources import _most_exact, set_questions
from chat.models import ExpectedAnswer, LabelledQuestion, QuestionOrigin, QuestionSet
from chat.retrieval.conversation import Turn
from chat.services import question_sets
from chat.services.question_sets import (
    Expectation,
    NewQuestion,
    add_question,
    create_question_set,
)
from kb.errors import Conflict, InvalidInput
from kb.models import Workspace
from kb.services import unpublish_article
from tests.chat.conftest import Publish
from tests.factories import add_revision, make_article, make_workspace

pytestmark = pytest.mark.django_db
MANUAL = QuestionOrigin.MANUAL


@pytest.fixture
def question_set(workspace: Workspace) -> QuestionSet:
    return create_question_set(workspace, name="Support desk")


def add(question_set: QuestionSet, text: str = "how long?", **given: object) -> LabelledQuestion:
    return add_question(question_set, NewQuestion(text=text, **given), origin=MANUAL)  # type: ignore[arg-type]


def test_a_name_is_taken_once_in_a_workspace(workspace: Workspace) -> None:
    assert create_question_set(workspace, name="Support desk").slug == "support-desk"
    with pytest.raises(Conflict, match="support-desk"):
        create_question_set(workspace, name="support DESK")
    with pytest.raises(InvalidInput):
        create_question_set(workspace, name="  ")
    create_question_set(make_workspace(), name="Support desk")


def test_a_question_keeps_where_its_answer_stands(
    question_set: QuestionSet, publish: Publish
) -> None:
    article = publish(body="Intro.\n\nIt takes five   days.", embedded=False)
    history = (Turn(role="visitor", text="hello"),)
    place = Expectation(article=article, quote="takes five days")
    stored = add(question_set, expected=(place,), history=history, tags=("a", "a"))
    [answer] = stored.expected.all()
    assert (answer.quote, answer.start, answer.end) == ("takes five   days", 11, 28)
    assert (stored.history, stored.tags) == ([{"role": "visitor", "text": "hello"}], ["a"])
    [asked], lost = set_questions(question_set)
    assert (asked.history, lost) == (history, 0)
    assert asked.places == (Place(article=article.pk, start=11, end=28),)


def test_the_same_words_are_stored_once(question_set: QuestionSet, publish: Publish) -> None:
    place = (Expectation(article=publish(embedded=False)),)
    add(question_set, expected=place)
    add(question_set, "how long? ", expected=place)
    add(question_set, expected=place, history=(Turn(role="visitor", text="hello"),))
    assert question_set.questions.count() == 2


def test_what_is_no_question_is_refused(
    question_set: QuestionSet, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = publish(embedded=False), make_article(make_workspace())
    for given, told in (
        ({"text": " "}, "empty"),
        ({}, "answerable question needs"),
        ({"expected": (Expectation(article=there),)}, "no such article"),
        ({"expected": (Expectation(article=here),) * 21}, "At most 20"),
        (
            {"expected": (Expectation(article=here, quote="nope"),)},
            "hold the words 'nope'",
        ),
        ({"expected": (Expectation(article=here, start=90, end=99),)}, "does not hold"),
        ({"answerable": False, "language": "xx"}, "Unknown language"),
        ({"answerable": False, "history": (Turn(role="visitor", text="a"),) * 101}, "100 turns"),
        ({"answerable": False, "key": "k" * 201}, "200 characters"),
    ):
        with pytest.raises(InvalidInput, match=told):
            add(question_set, **given)
    monkeypatch.setattr(question_sets, "MAX_QUESTIONS", 1)
    add(question_set, answerable=False)
    with pytest.raises(InvalidInput, match="at most 1"):
        add(question_set, "another", answerable=False)
    assert question_set.questions.count() == 1


def test_quotes_are_found_again_after_an_edit(question_set: QuestionSet, publish: Publish) -> None:
    article = publish(body="It takes five days.", embedded=False)
    add(question_set, expected=(Expectation(article=article, quote="five days"),))
    add_revision(article, body="New words first. It takes five\ndays.")
    [asked], lost = set_questions(question_set)
    assert (asked.places[0].start, asked.places[0].end, lost) == (26, 35, 0)
    add_revision(article, body="It takes six days.")
    [asked], lost = set_questions(question_set)
    assert (asked.places, lost) == ((Place(article=article.pk),), 1)


def test_a_question_whose_articles_are_gone_is_left_out(
    question_set: QuestionSet, publish: Publish
) -> None:
    article = publish(embedded=False)
    kept = add(question_set, "kept", expected=(Expectation(article=publish(embedded=False)),))
    lost = add(question_set, "lost", expected=(Expectation(article=article),))
    add(question_set, "unanswerable", answerable=False)
    article.delete()
    assert [each.key for each in set_questions(question_set)[0]] == [kept.key]
    assert len(set_questions(question_set, unanswerable=True)[0]) == 2
    assert list(question_set.questions.without_a_place()) == [lost]


def test_the_database_refuses_nonsense(question_set: QuestionSet, publish: Publish) -> None:
    article = publish(embedded=False)
    question = add(question_set, expected=(Expectation(article=article),))
    for values in (
        {"start": 5, "end": 5},
        {"start": 5, "end": None},
        {"relevance": 0},
        {"start": None, "end": None},  # the same place twice
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            ExpectedAnswer.objects.create(question=question, article=article, **values)
    with pytest.raises(IntegrityError), transaction.atomic():
        LabelledQuestion.objects.create(
            question_set=question_set, key=question.key, text="x", origin=MANUAL
        )
    with pytest.raises(IntegrityError), transaction.atomic():
        LabelledQuestion.objects.create(question_set=question_set, key="k", text="x", origin="?")


def test_locating() -> None:
    body = "five days. Then five\n days."
    assert locate("five days", body, near=0) == (0, 9)
    assert locate("five days", "a five days b five days", near=20) == (14, 23)
    assert locate("then FIVE", body, near=0) is None
    assert locate(" ", body, near=0) is None
    assert locate("five days.", "x five\t\tdays.", near=0) == (2, 13)


def test_what_is_not_published_now_answers_nothing(
    question_set: QuestionSet, publish: Publish
) -> None:
    stays, goes = publish(embedded=False), publish(embedded=False)
    both = (Expectation(article=stays), Expectation(article=goes))
    add(question_set, "both", expected=both)
    add(question_set, "one", expected=(Expectation(article=goes),))
    unpublish_article(goes)
    [asked], _ = set_questions(question_set)
    assert (asked.text, [place.article for place in asked.places]) == ("both", [stays.pk])


def test_a_passage_takes_the_relevance_of_its_article(publish: Publish) -> None:
    article = publish(body="It takes five days.", embedded=False)
    places = (
        Expectation(article=article, quote="five days", relevance=1),
        Expectation(article=article, relevance=3),
    )
    assert [place.relevance for place in _most_exact([*map(placed, places)])] == [3]


def placed(given: Expectation) -> Place:
    start, end = (9, 18) if given.quote else (None, None)
    return Place(article=given.article.pk, relevance=given.relevance, start=start, end=end)
