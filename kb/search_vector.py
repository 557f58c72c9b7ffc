"""The SQL expression of the full-text column, stemmed in each article's language."""

from __future__ import annotations

from django.contrib.postgres.search import SearchVector
from django.db.models import Case, F, Func, TextField, Value, When
from django.db.models.expressions import CombinedExpression

from kb.languages import SEARCH_CONFIGURATIONS


class Spaced(Func):
    """Text with its scripts without spaces (Chinese, Thai, …) as overlapping pairs of letters.

    `kb_spaced` is made in a migration; other text comes back as it is.
    """

    function = "kb_spaced"
    output_field = TextField()


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
    title = SearchVector(Spaced(F("title")), config=configuration, weight="A")
    body = SearchVector(Spaced(F("body")), config=configuration, weight="B")
    return title + body
