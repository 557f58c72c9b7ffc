"""The SQL expression of the full-text column, stemmed in each article's language."""

from __future__ import annotations

from django.contrib.postgres.search import SearchConfig, SearchVectorField
from django.db.models import Case, F, Func, Value, When

from kb.languages import SEARCH_CONFIGURATIONS


class HeldSearchVector(Func):
    """Words of a title (weight A) and a body (weight B), scripts without spaces (Chinese,
    Thai, …) as overlapping pairs of letters; of a text that is too long for one tsvector, the
    words of as much of its beginning as fits.

    `kb_search_vector` is made in a migration.
    """

    function = "kb_search_vector"
    output_field = SearchVectorField()


def search_vector_expression() -> Case:
    """By the row's `language`.

    A CASE over constant configurations, since a generated column must be immutable
    and a cast of a column to `regconfig` is not.
    """
    branches = [
        When(language=Value(str(language)), then=_held(configuration))
        for language, configuration in sorted(SEARCH_CONFIGURATIONS.items())
    ]
    return Case(*branches, default=_held("simple"))


def _held(configuration: str) -> HeldSearchVector:
    return HeldSearchVector(SearchConfig(configuration), F("title"), F("body"))
