"""What narrows a search: kept with a trace, and read back from it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from kb.search import NO_FILTERS, Filters, SearchScope, filters_from_json, scope_condition

ALL = Filters(
    collections=("money",),
    languages=("de", "fr"),
    tags=("cash",),
    sources=("wiki",),
    audience="internal",
    updated_after=datetime(2026, 3, 1, 12, tzinfo=UTC),
)


@pytest.mark.parametrize("filters", [NO_FILTERS, ALL, Filters(tags=("a", "b"))])
def test_json_and_back(filters: Filters) -> None:
    assert filters_from_json(json.loads(json.dumps(filters.as_json()))) == filters


def test_only_what_narrows_is_kept() -> None:
    assert NO_FILTERS.as_json() == {}
    assert Filters(tags=("cash",)).as_json() == {"tags": ["cash"]}


def test_unknown_names_are_refused() -> None:
    with pytest.raises(TypeError):
        filters_from_json({"colour": "red"})


@pytest.mark.parametrize("filters", [NO_FILTERS, ALL])
def test_tenant_and_audience_are_always_in_the_condition(filters: Filters) -> None:
    condition, parameters = scope_condition(SearchScope(workspace_id=7, filters=filters))
    assert condition.startswith("a.workspace_id = %(workspace_id)s AND r.audience = %(public)s")
    assert (parameters["workspace_id"], parameters["public"]) == (7, "public")
    assert all(f"%({name})s" in condition for name in parameters)
