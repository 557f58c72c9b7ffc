"""A difference of two traces as what a page shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chat.admin.trace_page import SHOWN_ROWS, STEPS, in_order, revisions_in, said
from chat.models import Trace
from chat.tracing.diff import ArticleChange, Pair, TraceDiff, diff_traces
from kb.admin.tables import Table

# What is shown as a text of its own, or says nothing to a reader.
APART = ("text", "cited")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffPage:
    """Tables of what moved and of context; `answers` are the two texts if they differ."""

    names: tuple[str, str]
    summary: str
    articles: Table
    context: Table
    answers: Pair | None
    facts: Table
    timings: Table


def describe_diff(
    old: Trace,
    new: Trace,
    *,
    diff: TraceDiff | None = None,
    names: tuple[str, str] = ("before", "after"),
) -> DiffPage:
    """From `old` to `new`, both of one workspace, called by `names`. One query."""
    diff = diff or diff_traces(old, new)
    ids = [each.revision_id for each in diff.articles] + [x.revision_id for x in diff.context]
    known = revisions_in(new, [{"revision_id": each} for each in ids])
    titles = {key: revision.title for key, revision in known.items()}
    laps = {pair.name: pair for pair in diff.timings}
    text = next((pair for pair in diff.answer if pair.name == "text"), None)
    return DiffPage(
        names=names,
        summary=_summary(diff),
        articles=_articles(diff, titles),
        context=_context(diff, titles),
        answers=text if text and text.changed else None,
        facts=_facts(diff, names),
        timings=_pairs("Milliseconds", [laps[name] for name in in_order(laps, STEPS)], names),
    )


def _summary(diff: TraceDiff) -> str:
    """In one sentence."""
    counts = dict.fromkeys(("up", "down", "new", "gone"), 0)
    for each in diff.articles:
        if each.change in counts:
            counts[each.change] += 1
    moves = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    ranking = f"Articles: {moves}." if moves else "The same articles in the same order."
    spans = sum(each.change != "same" for each in diff.context)
    context = f"{spans} pieces of context differ." if spans else "The same context."
    differ = any(pair.changed for pair in diff.answer if pair.name in {"text", "abstained"})
    return f"{ranking} {context} {'Another answer.' if differ else 'The same answer.'}"


def _articles(diff: TraceDiff, titles: Mapping[Any, str]) -> Table:
    changed = [each for each in diff.articles if each.change != "same" or _rescored(each)]
    shown = changed[:SHOWN_ROWS]
    legs = in_order(pair.name for each in shown for pair in each.legs)
    return Table(
        name="Ranking",
        headings=("Article", "moved", "score", *(leg.replace("_", " ") for leg in legs)),
        rows=tuple(_article(each, legs, titles) for each in shown),
        marks=tuple(each.change for each in shown),
        more=len(changed) - len(shown),
    )


def _rescored(each: ArticleChange) -> bool:
    return each.score.changed or any(pair.changed for pair in each.legs)


def _article(
    each: ArticleChange, legs: Iterable[str], titles: Mapping[Any, str]
) -> tuple[Any, ...]:
    scores = {pair.name: pair for pair in each.legs}
    return (
        titles.get(each.revision_id, f"article {each.article_id}"),
        said(each),
        _arrow(each.score),
        *(_arrow(scores[leg]) if leg in scores else "–" for leg in legs),
    )


def _context(diff: TraceDiff, titles: Mapping[Any, str]) -> Table:
    changed = [each for each in diff.context if each.change != "same"]
    return Table(
        name="Context",
        headings=("Article", "characters", "tokens", "is"),
        rows=tuple(
            (
                titles.get(each.revision_id, f"article {each.article_id}"),
                f"{each.start}–{each.end}",
                each.tokens,
                each.change,
            )
            for each in changed
        ),
        marks=tuple(each.change for each in changed),
    )


def _facts(diff: TraceDiff, names: tuple[str, str]) -> Table:
    answer = [pair for pair in diff.answer if pair.changed and pair.name not in APART]
    cited = [pair for pair in diff.answer if pair.name == "cited" and pair.changed]
    counted = [
        Pair(name="citations", old=len(pair.old or ()), new=len(pair.new or ())) for pair in cited
    ]
    pairs = [*diff.index, *diff.settings, *answer, *counted]
    return _pairs("Settings and outcome", pairs, names)


def _pairs(name: str, pairs: Iterable[Pair], names: tuple[str, str]) -> Table:
    rows = tuple(
        (pair.name.replace("_", " "), _plain(pair.old), _plain(pair.new)) for pair in pairs
    )
    return Table(name=name, headings=("", *names), rows=rows)


def _arrow(pair: Pair) -> str:
    if not pair.changed:
        return _plain(pair.new)
    return f"{_plain(pair.old)}\u00a0→\u00a0{_plain(pair.new)}"


def _plain(value: object) -> str:
    if value is None or value == "":
        return "–"
    return f"{value:g}" if isinstance(value, float) else str(value)
