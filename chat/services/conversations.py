"""Conversations: starting one, and asking in it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Prefetch

from chat.answering.answer import AnsweredQuestion, answer_question
from chat.answering.base import Quote
from chat.models import Citation, Conversation, Message, MessageRole
from chat.retrieval.conversation import MAX_TURNS, Turn
from chat.shadow.offering import offer
from kb.access import Caller, Permission, require
from kb.errors import Conflict, InvalidInput, NotFound
from kb.languages import Language

MAX_MESSAGES = 400
MAX_METADATA_CHARACTERS = 4000


def start_conversation(
    caller: Caller, *, language: str = "", metadata: Mapping[str, Any] | None = None
) -> Conversation:
    """An empty conversation in the caller's workspace.

    It sees internal articles if its maker does, and stays so whoever writes in it later.
    Raises Forbidden, or InvalidInput for an unknown language or metadata over its size.
    """
    require(caller, Permission.CHAT)
    if language and language not in Language.values:
        raise InvalidInput(f"Unknown language {language!r}.", field="language")
    if len(json.dumps(metadata or {})) > MAX_METADATA_CHARACTERS:
        message = f"Metadata may have {MAX_METADATA_CHARACTERS:,} characters as JSON."
        raise InvalidInput(message, field="metadata")
    return Conversation.objects.create(
        workspace=caller.workspace,
        api_key=caller.api_key,
        include_internal=caller.include_internal,
        language=language,
        metadata=dict(metadata or {}),
    )


def access_conversation(caller: Caller, conversation_id: uuid.UUID) -> Conversation:
    """One conversation with its messages and citations, in three queries.

    One that sees internal articles exists only for callers who do. Raises Forbidden, NotFound.
    """
    require(caller, Permission.CHAT)
    conversations = Conversation.objects.filter(workspace=caller.workspace)
    if not caller.include_internal:
        conversations = conversations.filter(include_internal=False)
    messages = Message.objects.prefetch_related("citations")
    found = (
        conversations.select_related("workspace")
        .prefetch_related(Prefetch("messages", queryset=messages))
        .filter(pk=conversation_id)
        .first()
    )
    if found is None:
        raise NotFound("There is no such conversation.")
    return found


def post_message(conversation: Conversation, *, text: str) -> Message:
    """Ask in a conversation, after what was said in it; returns the answer's message,
    citations included.

    Question, answer and citations are stored together or not at all, after the encoder is
    done. Raises what `answer_question` raises, and Conflict when the conversation is full.
    """
    _require_room(conversation)
    answered = answer_question(
        text,
        workspace=conversation.workspace,
        include_internal=conversation.include_internal,
        history=history_of(conversation),
        language=conversation.language,
    )
    message = _store_turn(conversation, answered)
    offer(answered.trace)
    return message


def history_of(conversation: Conversation) -> list[Turn]:
    """Its last turns, oldest first; not those that only say there is no answer. One query."""
    said = conversation.messages.filter(abstained=False).order_by("-number")
    last = list(said.values_list("role", "text")[:MAX_TURNS])
    return [
        Turn(role="visitor" if role == MessageRole.VISITOR else "assistant", text=text)
        for role, text in reversed(last)
    ]


def _require_room(conversation: Conversation) -> int:
    """How many messages there are. Raises Conflict."""
    count = conversation.messages.count()
    if count + 2 > MAX_MESSAGES:
        raise Conflict(
            f"This conversation has {count} messages, the most it can hold; start a new one."
        )
    return count


def _store_turn(conversation: Conversation, answered: AnsweredQuestion) -> Message:
    with transaction.atomic():
        # The lock gives messages their numbers one after the other.
        if not Conversation.objects.select_for_update(no_key=True).filter(pk=conversation.pk):
            raise NotFound("This conversation was deleted meanwhile.")
        count = _require_room(conversation)
        question, answer = _messages(conversation, answered, count)
        Message.objects.bulk_create([question, answer])
        _store_citations(answer, answered.answer.citations)
    return answer


def _messages(
    conversation: Conversation, answered: AnsweredQuestion, count: int
) -> tuple[Message, Message]:
    answer = answered.answer
    question = Message(
        conversation=conversation,
        number=count + 1,
        role=MessageRole.VISITOR,
        text=answered.retrieval.asked,
    )
    reply = Message(
        conversation=conversation,
        number=count + 2,
        role=MessageRole.ASSISTANT,
        text=answer.text,
        abstained=answer.abstained,
        reason=answer.reason,
        confidence=answer.confidence,
        curated_id=answer.curated.answer_id if answer.curated else None,
        trace_id=answered.trace_id,
    )
    return question, reply


def _store_citations(message: Message, quotes: Sequence[Quote]) -> None:
    Citation.objects.bulk_create(
        Citation(
            message=message,
            number=quote.number,
            article_id=quote.article_id,
            revision_id=quote.revision_id,
            external_id=quote.external_id,
            title=quote.title,
            start=quote.start,
            end=quote.end,
            quote=quote.quote,
        )
        for quote in quotes
    )
