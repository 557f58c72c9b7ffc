"""The SQL expression of the full-text column, stemmed in each article's language."""

from __future__ import annotations

from django.contrib.postgres.search import SearchVector
from django.db.models import Case, F, Value, When
from django.db.models.expressions import CombinedExpression

from kb.languages import SEARCH_CONFIGURATIONS


def search_vector_expression() -> Case:
    """Title with weight A and body with weight B, by the row's `language`.

    A CASE over constant configurations, since a generated column must be immutable
    and a cast of a column to `regconfig` is not.
    """
    branches = [
        When(language=Value(str(language)), then=_weighted(configuration))
        for language, configuration in sorted(SEARCH_CONFIGURATIONS.items())
    ]
    return Case(*branches, default=_weighted("simple"))


def _weighted(configuration: str) -> CombinedExpression:
    title = SearchVector(F("title"), config=configuration, weight="A")
    body = SearchVector(F("body"), config=configuration, weight="B")
    return title + body
