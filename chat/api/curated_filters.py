"""Filters of the list of curated answers."""

from __future__ import annotations

import django_filters

from chat.models import CuratedAnswer
from kb.languages import Language
from kb.models import Audience


class CuratedAnswerFilter(django_filters.FilterSet):
    """All optional; together they narrow."""

    enabled = django_filters.BooleanFilter()
    language = django_filters.ChoiceFilter(choices=Language.choices)
    audience = django_filters.ChoiceFilter(choices=Audience.choices)
    collection = django_filters.CharFilter(field_name="collection__slug")

    class Meta:
        model = CuratedAnswer
        fields: list[str] = []
