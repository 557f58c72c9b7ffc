"""A trace's detail as what its page shows. Old traces lack newer keys: nothing is required.

The trace need not be stored: the playground shows what it tried with the same tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chat.models import Trace
from chat.tracing.diff import ArticleChange, TraceDiff
from kb.admin.tables import Table
from kb.models import Revision

SHOWN_ROWS = 10
LEG_NAMES = {
    "passage": "Passages",
    "passage_words": "Passages by words",
    "article": "Whole articles",
    "article_words": "Full text",
}
QUIET_KEYS = ("article_id", "revision_id", "ordinal")
# PostgreSQL does not keep the order of JSON's keys: these are the orders of reading.
COLUMNS = (
    "moved", "score", "passage", "passage_words", "article", "article_words", "title", "rerank",
    "start", "end", "words",
)  # fmt: skip
STEPS = (
    "rewrite", "curated", "encode", "terms", "passages", "words", "articles", "text", "score",
    "fuse", "rerank", "context", "generate", "verify", "total",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanView:
    """A piece of context; `text` is empty where the revision is gone."""

    title: str
    headings: tuple[str, ...]
    text: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TracePage:
    """Legs, ranking, context and times of one question."""

    legs: tuple[Table, ...]
    fused: Table
    context: tuple[SpanView, ...]
    history: tuple[Mapping[str, Any], ...]
    standalone: str
    rewriting: Mapping[str, Any]
    timings: tuple[tuple[str, Any], ...]
    settings: tuple[tuple[str, Any], ...]
    answer: Mapping[str, Any]
    index: Mapping[str, Any]
    reranking: Mapping[str, Any]
    privacy: Mapping[str, Any]


def describe(trace: Trace, *, diff: TraceDiff | None = None) -> TracePage:
    """Ids become titles and texts where the revision still exists in the trace's workspace.

    With `diff` the ranking says how each article moved. One query.
    """
    found = _mapping(trace.detail, "legs")
    legs = {key: _dicts(found[key]) for key in in_order(found)}
    fused, context = _dicts(_get(trace, "fused")), _dicts(_get(trace, "context"))
    known = revisions_in(
        trace, [*(row for rows in legs.values() for row in rows), *fused, *context]
    )
    titles = {key: revision.title for key, revision in known.items()}
    changes = {each.article_id: each for each in diff.articles} if diff else {}
    question = _mapping(trace.detail, "question")
    return TracePage(
        legs=_legs(legs, _mapping(found, "terms"), titles),
        fused=replace(
            table_of("Ranking", [_flat(row, changes) for row in fused], titles),
            marks=_marks(fused, changes),
        ),
        context=tuple(_span(span, known) for span in context),
        history=tuple(_dicts(question.get("history"))),
        standalone=_standalone(trace, question),
        rewriting=_mapping(trace.detail, "rewriting"),
        timings=_timings(_mapping(trace.detail, "timings")),
        settings=tuple(_mapping(trace.detail, "settings").items()),
        answer=_mapping(trace.detail, "answer"),
        index=_mapping(trace.detail, "index"),
        reranking=_mapping(trace.detail, "reranking"),
        privacy=_mapping(trace.detail, "privacy"),
    )


def _legs(
    legs: Mapping[str, Sequence[Mapping[str, Any]]],
    terms: Mapping[str, Any],
    titles: Mapping[Any, str],
) -> tuple[Table, ...]:
    """A table for each leg that found something, and one of the question's words."""
    tables = (
        table_of(LEG_NAMES.get(key, key.replace("_", " ").title()), rows, titles)
        for key, rows in legs.items()
        if rows
    )
    return (*tables, *_terms(terms))


def in_order(keys: Iterable[str], order: Sequence[str] = COLUMNS) -> list[str]:
    """Each key once, as it is read best; unknown ones follow."""
    places = {key: place for place, key in enumerate(order)}
    return sorted(dict.fromkeys(keys), key=lambda key: (places.get(key, len(order)), key))


def _timings(timings: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((key, timings[key]) for key in in_order(timings, STEPS))


def revisions_in(trace: Trace, rows: Sequence[Mapping[str, Any]]) -> dict[Any, Revision]:
    """The revisions that `rows` name, of the trace's workspace alone. One query."""
    ids = {row["revision_id"] for row in rows if isinstance(row.get("revision_id"), int)}
    known = Revision.objects.filter(pk__in=ids, workspace=trace.workspace_id)
    return known.only("title", "body", "article_id").in_bulk()


def _get(trace: Trace, key: str) -> object:
    return trace.detail.get(key) if isinstance(trace.detail, Mapping) else None


def _mapping(detail: object, key: str) -> Mapping[str, Any]:
    value = detail.get(key) if isinstance(detail, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _dicts(value: object) -> list[Mapping[str, Any]]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return []
    return [row for row in value if isinstance(row, Mapping)]


def _standalone(trace: Trace, question: Mapping[str, Any]) -> str:
    text = str(question.get("standalone") or question.get("text") or "")
    return "" if text == trace.question else text


def _span(span: Mapping[str, Any], known: Mapping[Any, Revision]) -> SpanView:
    revision = known.get(span.get("revision_id"))
    start, end = span.get("start", 0), span.get("end", 0)
    return SpanView(
        title=str(span.get("title", "")),
        headings=tuple(map(str, span.get("headings") or ())),
        text=revision.body[start:end] if revision else "",
        facts=span,
    )


def _terms(terms: Mapping[str, Any]) -> tuple[Table, ...]:
    """The question's words, the weightiest first."""
    weights = [
        (weight, word, language)
        for language, words in terms.items()
        if isinstance(words, Mapping)
        for word, weight in words.items()
    ]
    if not weights:
        return ()
    rows = [(word, language, weight) for weight, word, language in sorted(weights, reverse=True)]
    shown = tuple(rows[:SHOWN_ROWS])
    headings = ("Word", "language", "weight")
    return (Table(name="Words", headings=headings, rows=shown, more=len(rows) - len(shown)),)


def _flat(row: Mapping[str, Any], changes: Mapping[Any, ArticleChange]) -> dict[str, Any]:
    change = changes.get(row.get("article_id"))
    flat = {key: value for key, value in row.items() if key != "legs"}
    return {**({"moved": said(change)} if change else {}), **flat, **_mapping(row, "legs")}


def _marks(
    fused: Sequence[Mapping[str, Any]], changes: Mapping[Any, ArticleChange]
) -> tuple[str, ...]:
    if not changes:
        return ()
    shown = (changes.get(row.get("article_id")) for row in fused[:SHOWN_ROWS])
    return tuple(each.change if each else "" for each in shown)


def said(change: ArticleChange) -> str:
    """How an article moved, in a word or two."""
    words = {"same": "=", "new": "new", "gone": f"gone, was {change.rank.old}"}
    arrows = {"up": "↑", "down": "↓"}
    # The spaces do not break: an arrow alone on a line says little.
    moved = words.get(change.change) or f"{arrows[change.change]} from {change.rank.old}"
    return moved.replace(" ", "\u00a0")


def table_of(name: str, rows: Sequence[Mapping[str, Any]], titles: Mapping[Any, str]) -> Table:
    shown = rows[:SHOWN_ROWS]
    keys = in_order(key for row in shown for key in row if key not in QUIET_KEYS)
    return Table(
        name=name,
        headings=("Article", *(key.replace("_", " ") for key in keys)),
        rows=tuple(
            (
                titles.get(row.get("revision_id"), f"article {row.get('article_id', '?')}"),
                *("–" if row.get(key) is None else row[key] for key in keys),
            )
            for row in shown
        ),
        more=len(rows) - len(shown),
    )
