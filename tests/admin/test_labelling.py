"""Questions go into question sets from the playground and from traces, with what was right."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chat.answering.answer import answer_question
from chat.models import LabelledQuestion, QuestionSet, Trace
from chat.retrieval.conversation import Turn
from embeddings.filling.loop import embed_pending
from kb.models import Article, Workspace
from kb.services import unpublish_article
from tests.admin.conftest import SignIn
from tests.factories import live, make_article

QUESTION = "how long does a refund take"


@pytest.fixture
def refunds(workspace: Workspace) -> Article:
    """A searchable article."""
    article = make_article(workspace, title="Refunds", body="A refund takes five days.")
    embed_pending(live(workspace))
    return article


@pytest.fixture
def shelf(workspace: Workspace) -> QuestionSet:
    """An empty set."""
    return QuestionSet.objects.create(workspace=workspace, name="Money", slug="money")


@pytest.fixture
def owner(workspace: Workspace, sign_in: SignIn) -> Client:
    """An owner's browser."""
    return sign_in(workspace)


def save(client: Client, workspace: Workspace, **given: Any) -> str:
    address = reverse("admin:chat_playground_workspace", args=[workspace.slug])
    form = {"question": QUESTION, "reader": "public", "profile_b": "-", "save": "1"}
    response = client.post(address, {**form, **given})
    assert response.status_code == 200
    return response.content.decode()


def test_the_playground_saves_a_question_with_its_articles(
    owner: Client, workspace: Workspace, refunds: Article, shelf: QuestionSet
) -> None:
    history = "I paid twice\nBot: Sorry."
    page = save(owner, workspace, question_set=shelf.pk, expected=[refunds.pk], history=history)
    assert "Saved to Money." in page
    assert "Ranking" in page
    question = LabelledQuestion.objects.get()
    assert (question.text, question.origin, question.answerable) == (QUESTION, "playground", True)
    assert question.history == [
        {"role": "visitor", "text": "I paid twice"},
        {"role": "assistant", "text": "Sorry."},
    ]
    assert [each.article_id for each in question.expected.all()] == [refunds.pk]


@pytest.mark.usefixtures("refunds")
def test_the_playground_saves_an_unanswerable_question(
    owner: Client, workspace: Workspace, shelf: QuestionSet
) -> None:
    assert "Saved to Money." in save(owner, workspace, question_set=shelf.pk, unanswerable="on")
    assert LabelledQuestion.objects.get().answerable is False


def test_contradictions_and_foreign_rows_are_refused(
    owner: Client,
    workspace: Workspace,
    foreign: Workspace,
    refunds: Article,
    shelf: QuestionSet,
) -> None:
    theirs = QuestionSet.objects.create(workspace=foreign, name="Theirs", slug="theirs")
    their_article = make_article(foreign, title="Zanzibar")
    wrong: list[dict[str, Any]] = [
        {"question_set": shelf.pk},
        {"question_set": shelf.pk, "expected": [refunds.pk], "unanswerable": "on"},
        {"question_set": shelf.pk, "expected": [their_article.pk]},
        {"question_set": shelf.pk, "expected": ["x", "99999999999999999999"]},
        {"question_set": theirs.pk, "expected": [refunds.pk]},
    ]
    for given in wrong:
        page = save(owner, workspace, **given)
        assert 'role="alert"' in page
        assert "Zanzibar" not in page
    assert not LabelledQuestion.objects.exists()


def test_what_was_ticked_stays_though_it_is_not_found_any_more(
    owner: Client, workspace: Workspace, refunds: Article, shelf: QuestionSet
) -> None:
    unpublish_article(refunds)
    page = save(owner, workspace, question_set=shelf.pk, expected=[refunds.pk])
    assert "Saved to Money." in page


@pytest.mark.usefixtures("refunds")
def test_without_a_set_one_is_offered_to_be_made(owner: Client, workspace: Workspace) -> None:
    assert reverse("admin:chat_questionset_add") in save(owner, workspace)


def test_a_trace_goes_into_a_set_with_its_history(
    owner: Client, workspace: Workspace, refunds: Article, shelf: QuestionSet
) -> None:
    made = answer_question(
        QUESTION, workspace=workspace, history=[Turn(role="visitor", text="Hello")]
    )
    page = reverse("admin:chat_trace_change", args=[made.trace_id])
    assert "Save to a question set" in owner.get(page).content.decode()
    address = reverse("admin:chat_trace_label", args=[made.trace_id])
    refused = owner.post(address, {"question_set": shelf.pk}, follow=True)
    assert b"Tick the articles" in refused.content
    given = {"question_set": shelf.pk, "expected": [refunds.pk]}
    for _ in range(2):
        assert b"Saved to Money." in owner.post(address, given, follow=True).content
    question = LabelledQuestion.objects.get()
    assert (question.key, question.origin) == (f"trace-{made.trace_id}", "trace")
    assert question.history == [{"role": "visitor", "text": "Hello"}]


def test_only_who_may_evaluate_is_offered_to_save(
    workspace: Workspace, foreign: Workspace, sign_in: SignIn, refunds: Article, shelf: QuestionSet
) -> None:
    made = answer_question(QUESTION, workspace=workspace)
    address = reverse("admin:chat_trace_label", args=[made.trace_id])
    given = {"question_set": shelf.pk, "expected": [refunds.pk]}
    assert sign_in(workspace, "editor").post(address, given).status_code == 403
    assert sign_in(foreign).post(address, given).status_code == 404
    assert not LabelledQuestion.objects.exists()
    assert Trace.objects.count() == 1
