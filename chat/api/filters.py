"""Filters of the list of traces."""

from __future__ import annotations

import django_filters
from django.db.models import Q, QuerySet

from chat.models import Trace


class TraceFilter(django_filters.FilterSet):
    """All optional; together they narrow."""

    abstained = django_filters.BooleanFilter(
        help_text="Whether there was no answer; retrievals without an answer are neither"
    )
    since = django_filters.IsoDateTimeFilter(
        field_name="created_at", lookup_expr="gte", help_text="Asked then or later"
    )
    until = django_filters.IsoDateTimeFilter(
        field_name="created_at", lookup_expr="lt", help_text="Asked before then"
    )
    profile = django_filters.CharFilter(help_text="Name of the retrieval profile")
    replay_of = django_filters.UUIDFilter(help_text="Replays of that trace")
    text = django_filters.CharFilter(
        method="with_text", max_length=200, help_text="Part of the question or of the answer"
    )

    class Meta:
        model = Trace
        fields: list[str] = []

    def with_text(self, queryset: QuerySet[Trace], _: str, value: str) -> QuerySet[Trace]:
        """Whatever the case of the letters."""
        return queryset.filter(Q(question__icontains=value) | Q(answer__icontains=value))
