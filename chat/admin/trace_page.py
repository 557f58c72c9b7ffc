"""A trace's detail as what its page shows. Old traces lack newer keys: nothing is required."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chat.models import Trace
from kb.models import Revision

SHOWN_ROWS = 10
LEG_NAMES = {"passage": "Passages", "article": "Whole articles", "article_words": "Full text"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of plain values under their headings; `more` rows are not shown."""

    name: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TracePage:
    """Legs, ranking, context and times of one question."""

    legs: tuple[Table, ...]
    fused: Table
    context: tuple[Mapping[str, Any], ...]
    timings: tuple[tuple[str, Any], ...]
    settings: tuple[tuple[str, Any], ...]
    answer: Mapping[str, Any]


def describe(trace: Trace) -> TracePage:
    """Ids become titles where the revision still exists in the trace's workspace."""
    detail: Mapping[str, Any] = trace.detail if isinstance(trace.detail, Mapping) else {}
    legs = {key: _dicts(value) for key, value in _mapping(detail, "legs").items()}
    fused = _dicts(detail.get("fused"))
    titles = _titles(trace, [*(row for rows in legs.values() for row in rows), *fused])
    return TracePage(
        legs=tuple(
            _table(LEG_NAMES.get(key, key.replace("_", " ").title()), rows, titles)
            for key, rows in legs.items()
            if rows
        ),
        fused=_table("Ranking", [_flat(row) for row in fused], titles),
        context=tuple(_dicts(detail.get("context"))),
        timings=tuple(_mapping(detail, "timings").items()),
        settings=tuple(_mapping(detail, "settings").items()),
        answer=_mapping(detail, "answer"),
    )


def _mapping(detail: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = detail.get(key)
    return value if isinstance(value, Mapping) else {}


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return []
    return [row for row in value if isinstance(row, Mapping)]


def _titles(trace: Trace, rows: Sequence[Mapping[str, Any]]) -> dict[Any, str]:
    ids = {row["revision_id"] for row in rows if isinstance(row.get("revision_id"), int)}
    known = Revision.objects.filter(pk__in=ids, workspace=trace.workspace_id)
    return dict(known.values_list("pk", "title"))


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    legs = _mapping(row, "legs")
    return {**{key: value for key, value in row.items() if key != "legs"}, **legs}


def _table(name: str, rows: Sequence[Mapping[str, Any]], titles: Mapping[Any, str]) -> Table:
    shown = rows[:SHOWN_ROWS]
    ids = ("article_id", "revision_id")
    keys = list(dict.fromkeys(key for row in shown for key in row if key not in ids))
    return Table(
        name=name,
        headings=("Article", *(key.replace("_", " ") for key in keys)),
        rows=tuple(
            (
                titles.get(row.get("revision_id"), f"article {row.get('article_id', '?')}"),
                *(row.get(key, "") for key in keys),
            )
            for row in shown
        ),
        more=len(rows) - len(shown),
    )
