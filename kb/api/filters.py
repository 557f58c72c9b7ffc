"""Filters of the article list."""

from __future__ import annotations

from functools import reduce
from operator import or_

import django_filters
from django.contrib.postgres.search import SearchQuery
from django.db.models import QuerySet

from kb.languages import SEARCH_CONFIGURATIONS, Language
from kb.models import Article, ArticleState, Audience


class ArticleFilter(django_filters.FilterSet):
    """All optional; together they narrow."""

    state = django_filters.ChoiceFilter(choices=ArticleState.choices)
    language = django_filters.ChoiceFilter(
        field_name="latest_revision__language", choices=Language.choices
    )
    audience = django_filters.ChoiceFilter(
        field_name="latest_revision__audience", choices=Audience.choices
    )
    collection = django_filters.CharFilter(field_name="collection__slug")
    external_id = django_filters.CharFilter()
    source = django_filters.CharFilter()
    tag = django_filters.CharFilter(field_name="tags", lookup_expr="contains", method="with_tag")
    updated_after = django_filters.IsoDateTimeFilter(field_name="updated_at", lookup_expr="gte")
    q = django_filters.CharFilter(method="with_words", label="Words in title or text")

    class Meta:
        model = Article
        fields: list[str] = []

    def with_tag(self, queryset: QuerySet[Article], _: str, value: str) -> QuerySet[Article]:
        """Articles that carry the tag."""
        return queryset.filter(tags__contains=[value])

    def with_words(self, queryset: QuerySet[Article], _: str, value: str) -> QuerySet[Article]:
        """Articles whose latest revision has all the words, in any language's stemming."""
        queries = (
            SearchQuery(value, config=configuration, search_type="websearch")
            for configuration in ("simple", *SEARCH_CONFIGURATIONS.values())
        )
        return queryset.filter(latest_revision__search=reduce(or_, queries))
