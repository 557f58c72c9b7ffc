"""Traces over HTTP: listed, read, replayed, compared."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chat.api.filters import TraceFilter
from chat.api.trace_serializers import (
    DiffQuery,
    ReplayInput,
    TraceDiffSerializer,
    TraceSerializer,
    TraceSummarySerializer,
)
from chat.models import Trace
from chat.services.traces import replay_trace
from chat.traces import access_trace, traces_of
from chat.tracing.diff import diff_traces
from kb.api.caller import caller_of
from kb.api.pagination import NewestFirst
from kb.api.throttling import QuestionThrottle


class TracesView(GenericAPIView[Trace]):
    """Traces of the key's workspace; those that saw internal articles only for who may."""

    serializer_class = TraceSummarySerializer
    filterset_class = TraceFilter
    pagination_class = NewestFirst
    queryset = Trace.objects.none()

    def get_queryset(self) -> QuerySet[Trace]:
        """Scoped by the key; without the detail, which is large."""
        if getattr(self, "swagger_fake_view", False):
            return Trace.objects.none()
        return traces_of(caller_of(self.request)).defer("detail")

    @extend_schema(operation_id="traces_list", responses=TraceSummarySerializer(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's shape
        """Newest first."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(TraceSummarySerializer(page or [], many=True).data)


class TraceView(APIView):
    """One trace."""

    @extend_schema(operation_id="traces_retrieve", responses=TraceSerializer)
    def get(self, request: Request, trace_id: uuid.UUID) -> Response:
        """Everything that led to an answer."""
        return Response(TraceSerializer(access_trace(caller_of(request), trace_id)).data)


class TraceReplayView(APIView):
    """Asking again."""

    throttle_classes = [QuestionThrottle]

    @extend_schema(
        operation_id="traces_replay", request=ReplayInput, responses={201: TraceSerializer}
    )
    def post(self, request: Request, trace_id: uuid.UUID) -> Response:
        """The same question, history and filters, on another index version or profile."""
        given = ReplayInput(data=request.data or {})
        given.is_valid(raise_exception=True)
        caller = caller_of(request)
        made = replay_trace(caller, access_trace(caller, trace_id), **given.validated_data)
        return Response(TraceSerializer(made).data, status=status.HTTP_201_CREATED)


class TraceDiffView(APIView):
    """Two traces compared."""

    @extend_schema(
        operation_id="traces_diff", parameters=[DiffQuery], responses=TraceDiffSerializer
    )
    def get(self, request: Request, trace_id: uuid.UUID) -> Response:
        """From this trace to the one in `with`: ranks, scores, context, answer, settings."""
        query = DiffQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        caller = caller_of(request)
        old = access_trace(caller, trace_id)
        new = access_trace(caller, query.validated_data["with"])
        return Response(TraceDiffSerializer(diff_traces(old, new)).data)
