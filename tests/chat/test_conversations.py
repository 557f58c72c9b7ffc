"""Conversations under concurrency, deletion and failure: all of a turn or nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from chat.answering.base import Answer
from chat.answering.extractive import ExtractiveGenerator
from chat.models import Citation, Conversation, Message, Trace
from chat.retrieval.results import Retrieval
from chat.services import conversations
from chat.services.conversations import access_conversation, post_message, start_conversation
from embeddings.errors import EncoderUnavailable
from kb.access import caller_for_system
from kb.errors import NotFound
from kb.models import Workspace
from kb.services import delete_article
from tests.chat.conftest import Publish, answer_always
from tests.factories import make_workspace


@pytest.fixture
def conversation(workspace: Workspace, publish: Publish) -> Conversation:
    """An empty one, in a workspace that can answer about refunds."""
    answer_always(workspace)
    publish(title="Refunds", body="A refund takes five days.", external_id="refunds")
    return start_conversation(caller_for_system(workspace))


def during_generation(monkeypatch: pytest.MonkeyPatch, happens: Any) -> None:
    """Something happens while the answer is made."""
    generate = ExtractiveGenerator.generate

    def interrupted(self: ExtractiveGenerator, retrieval: Retrieval, *, language: str) -> Answer:
        happens()
        return generate(self, retrieval, language=language)

    monkeypatch.setattr(ExtractiveGenerator, "generate", interrupted)


@pytest.mark.django_db(transaction=True)
def test_questions_at_the_same_time_all_get_their_turn(conversation: Conversation) -> None:
    def ask(number: int) -> int:
        try:
            return post_message(conversation, text=f"refund {number}?").number
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(ask, range(4)))
    assert sorted(numbers) == [2, 4, 6, 8]
    turns = list(conversation.messages.values_list("number", "role"))
    assert turns == [(n, "assistant" if n % 2 == 0 else "visitor") for n in range(1, 9)]


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_the_answer_is_made(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    during_generation(monkeypatch, lambda: seen.append(connection.in_atomic_block))
    post_message(conversation, text="refund?")
    assert seen == [False]


def test_question_and_answer_are_stored_together_or_not_at_all(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise IntegrityError("the citations cannot be stored")

    monkeypatch.setattr(conversations, "_store_citations", broken)
    with pytest.raises(IntegrityError), transaction.atomic():
        post_message(conversation, text="refund?")
    assert not Message.objects.exists()


def test_encoder_that_is_away_leaves_nothing_behind(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise EncoderUnavailable("gone")

    during_generation(monkeypatch, away)
    with pytest.raises(EncoderUnavailable):
        post_message(conversation, text="refund?")
    assert not Message.objects.exists()
    assert not Trace.objects.exists()


def test_conversation_deleted_meanwhile_is_not_found(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    during_generation(monkeypatch, lambda: Conversation.objects.filter(pk=conversation.pk).delete())
    with pytest.raises(NotFound):
        post_message(conversation, text="refund?")
    assert not Message.objects.exists()


def test_given_answers_keep_their_quotes_after_the_article_is_gone(
    workspace: Workspace, conversation: Conversation
) -> None:
    post_message(conversation, text="how long does a refund take")
    delete_article(workspace.articles.get())
    kept = access_conversation(caller_for_system(workspace), conversation.pk)
    [citation] = kept.messages.get(number=2).citations.all()
    assert (citation.quote, citation.external_id) == ("A refund takes five days.", "refunds")
    answer = post_message(conversation, text="how long does a refund take")
    assert answer.abstained
    assert not Citation.objects.filter(message=answer).exists()


def test_language_of_the_conversation_goes_before_that_of_the_question(
    workspace: Workspace,
) -> None:
    conversation = start_conversation(caller_for_system(workspace), language="fr")
    answer = post_message(conversation, text="how do I change the name on my account")
    assert answer.text.startswith("Je n’ai pas trouvé")


def test_conversations_are_reached_through_their_workspace_only(
    conversation: Conversation,
) -> None:
    with pytest.raises(NotFound):
        access_conversation(caller_for_system(make_workspace()), conversation.pk)


def test_numbers_are_kept_apart_by_the_database(conversation: Conversation) -> None:
    Message.objects.create(conversation=conversation, number=1, role="visitor", text="a")
    with pytest.raises(IntegrityError), transaction.atomic():
        Message.objects.create(conversation=conversation, number=1, role="visitor", text="b")
    with pytest.raises(IntegrityError), transaction.atomic():
        Message.objects.create(conversation=conversation, number=2, role="stranger", text="c")
