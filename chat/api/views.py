"""`/api/v1/retrieve` and conversations: a view parses, calls one service, answers."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from chat.api.serializers import (
    ConversationInput,
    ConversationSerializer,
    MessageInput,
    MessageSerializer,
    RetrievalSerializer,
    RetrieveInput,
)
from chat.services.conversations import (
    access_conversation,
    post_message,
    start_conversation,
)
from chat.services.retrievals import retrieve_for
from kb.api.caller import caller_of
from kb.api.throttling import QuestionThrottle

ASKING: Sequence[type[BaseThrottle]] = [QuestionThrottle]


class RetrieveView(APIView):
    """Context for a question, for your own generator or agent."""

    throttle_classes = ASKING

    @extend_schema(operation_id="retrieve", request=RetrieveInput, responses=RetrievalSerializer)
    def post(self, request: Request) -> Response:
        """Articles and context from what is published at this moment."""
        given = _validated(RetrieveInput(data=request.data))
        retrieval, trace = retrieve_for(caller_of(request), **given)
        return Response(RetrievalSerializer(retrieval, context={"trace_id": trace.pk}).data)


class ConversationsView(APIView):
    """Where conversations begin."""

    @extend_schema(
        operation_id="conversations_create",
        request=ConversationInput,
        responses={201: ConversationSerializer},
    )
    def post(self, request: Request) -> Response:
        """An empty conversation."""
        given = _validated(ConversationInput(data=request.data))
        conversation = start_conversation(caller_of(request), **given)
        return Response(ConversationSerializer(conversation).data, status=status.HTTP_201_CREATED)


class ConversationView(APIView):
    """One conversation."""

    @extend_schema(operation_id="conversations_retrieve", responses=ConversationSerializer)
    def get(self, request: Request, conversation_id: uuid.UUID) -> Response:
        """With all its messages, in order."""
        conversation = access_conversation(caller_of(request), conversation_id)
        return Response(ConversationSerializer(conversation).data)


class MessagesView(APIView):
    """Asking in a conversation."""

    throttle_classes = ASKING

    @extend_schema(
        operation_id="messages_create",
        request=MessageInput,
        responses={201: MessageSerializer},
    )
    def post(self, request: Request, conversation_id: uuid.UUID) -> Response:
        """The answer to `text`: with citations, or abstaining without."""
        given = _validated(MessageInput(data=request.data))
        conversation = access_conversation(caller_of(request), conversation_id)
        answer = post_message(conversation, text=given["text"])
        return Response(MessageSerializer(answer).data, status=status.HTTP_201_CREATED)


def _validated(body: Serializer[Any]) -> dict[str, Any]:
    body.is_valid(raise_exception=True)
    validated: dict[str, Any] = body.validated_data
    return validated
