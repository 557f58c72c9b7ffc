"""`/api/v1/curated-answers/`: approved answers, read and written by other programs."""

from __future__ import annotations

from typing import Any, TypeAlias

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.viewsets import GenericViewSet

from chat.answering.curated_standing import with_standing
from chat.api.curated_filters import CuratedAnswerFilter
from chat.api.curated_serializers import CuratedAnswerInput, CuratedAnswerSerializer
from chat.models import CuratedAnswer
from chat.services.curated import (
    access_curated_answer,
    curated_answers_of,
    delete_curated_answer,
)
from chat.services.curated_drafts import write_curated_answer
from kb.access import Permission
from kb.api.caller import caller_of

Rendered: TypeAlias = dict[str, Any]


class CuratedAnswerViewSet(GenericViewSet[CuratedAnswer]):
    """Curated answers of the key's workspace. Writing needs the scope `articles:publish`: what
    is written is given to visitors from the next question on."""

    serializer_class = CuratedAnswerSerializer
    filterset_class = CuratedAnswerFilter
    queryset = CuratedAnswer.objects.none()
    lookup_value_regex = r"\d{1,18}"

    def get_queryset(self) -> QuerySet[CuratedAnswer]:
        """Scoped by the key; a constant number of queries."""
        if getattr(self, "swagger_fake_view", False):
            return CuratedAnswer.objects.none()
        mine = with_standing(curated_answers_of(caller_of(self.request)))
        return mine.select_related("collection", "author").prefetch_related(
            "questions", "sources__article"
        )

    def list(self, request: Request) -> Response:  # noqa: ARG002 - DRF's shape
        """Newest change first."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(CuratedAnswerSerializer(page, many=True).data)

    def retrieve(self, request: Request, pk: str) -> Response:
        """One curated answer."""
        return Response(self._render(access_curated_answer(caller_of(request), int(pk))))

    @extend_schema(request=CuratedAnswerInput, responses={201: CuratedAnswerSerializer})
    def create(self, request: Request) -> Response:
        """A new one, given from the next question on; 409 for a question that another has."""
        given = _validated(CuratedAnswerInput(data=request.data))
        saved = write_curated_answer(caller_of(request), given)
        return Response(self._render(saved), status=status.HTTP_201_CREATED)

    @extend_schema(request=CuratedAnswerInput)
    def partial_update(self, request: Request, pk: str) -> Response:
        """What is given is changed; the rest stays."""
        given = _validated(CuratedAnswerInput(data=request.data, partial=True))
        caller = caller_of(request)
        answer = access_curated_answer(caller, int(pk), Permission.ANSWERS_WRITE)
        return Response(self._render(write_curated_answer(caller, given, answer=answer)))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """For good; it is not given from the next question on."""
        caller = caller_of(request)
        answer = access_curated_answer(caller, int(pk), Permission.ANSWERS_WRITE)
        delete_curated_answer(caller, answer=answer)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _render(self, answer: CuratedAnswer) -> Rendered:
        read = self.get_queryset().get(pk=answer.pk)
        return dict(CuratedAnswerSerializer(read).data)


def _validated(body: Serializer[Any]) -> dict[str, Any]:
    body.is_valid(raise_exception=True)
    validated: dict[str, Any] = body.validated_data
    return validated
