"""Two traces compared: what one found, used and said otherwise than the other.

Read from the traces' JSON alone; keys that an old trace lacks count as empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from chat.models import Trace

Change = Literal["same", "up", "down", "new", "gone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A value before and after; None where there was none."""

    name: str
    old: Any
    new: Any

    @property
    def changed(self) -> bool:
        """Whether the two differ."""
        return bool(self.old != self.new)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleChange:
    """An article's place (from 1) and scores in both rankings; None where it is in one only."""

    article_id: int
    revision_id: int
    change: Change
    rank: Pair
    score: Pair
    legs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextChange:
    """Characters of a revision that were context before, after or both; `tokens` as they were."""

    article_id: int
    revision_id: int
    start: int
    end: int
    tokens: int
    change: Literal["same", "new", "gone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceDiff:
    """What `new` has otherwise than `old`.

    `articles` in the new order, those that are gone last; `answer` holds text, abstained,
    reason, confidence and what is cited; `index` (version, encoder, reader, filters) and
    `settings` only what differs; `timings` in milliseconds. `rankings_same` is about order,
    not scores.
    """

    rankings_same: bool
    articles: tuple[ArticleChange, ...]
    context: tuple[ContextChange, ...]
    answer: tuple[Pair, ...]
    index: tuple[Pair, ...]
    settings: tuple[Pair, ...]
    timings: tuple[Pair, ...]


def diff_traces(old: Trace, new: Trace) -> TraceDiff:
    """From `old` to `new`; the two need not be of one question."""
    articles = _articles(_rows(old, "fused"), _rows(new, "fused"))
    return TraceDiff(
        rankings_same=all(each.change == "same" for each in articles),
        articles=articles,
        context=_context(_rows(old, "context"), _rows(new, "context")),
        answer=_answers(old, new),
        index=_changed(_asked(old), _asked(new)),
        settings=_changed(_settings(old), _settings(new)),
        timings=_pairs(_mapping(old, "timings"), _mapping(new, "timings")),
    )


def _articles(old: Sequence[Any], new: Sequence[Any]) -> tuple[ArticleChange, ...]:
    before = {row["article_id"]: (rank, row) for rank, row in enumerate(old, 1)}
    after = {row["article_id"]: (rank, row) for rank, row in enumerate(new, 1)}
    return tuple(
        _article(article, before.get(article), after.get(article))
        for article in dict.fromkeys([*after, *before])
    )


def _article(
    article_id: int, old: tuple[int, Any] | None, new: tuple[int, Any] | None
) -> ArticleChange:
    (old_rank, old_row), (new_rank, new_row) = old or (None, {}), new or (None, {})
    return ArticleChange(
        article_id=article_id,
        revision_id=(new_row or old_row).get("revision_id", 0),
        change=_change(old_rank, new_rank),
        rank=Pair(name="rank", old=old_rank, new=new_rank),
        score=Pair(name="score", old=old_row.get("score"), new=new_row.get("score")),
        legs=_pairs(old_row.get("legs") or {}, new_row.get("legs") or {}),
    )


def _change(old: int | None, new: int | None) -> Change:
    if old is None:
        return "new"
    if new is None:
        return "gone"
    if old == new:
        return "same"
    return "up" if new < old else "down"


def _context(old: Sequence[Any], new: Sequence[Any]) -> tuple[ContextChange, ...]:
    before, after = _by_place(old), _by_place(new)
    return tuple(
        ContextChange(
            article_id=span["article_id"],
            revision_id=span["revision_id"],
            start=span["start"],
            end=span["end"],
            tokens=span.get("tokens", 0),
            change="same" if place in before and place in after else _side(place in after),
        )
        for place, span in {**after, **{k: v for k, v in before.items() if k not in after}}.items()
    )


def _side(after: bool) -> Literal["new", "gone"]:
    return "new" if after else "gone"


def _by_place(spans: Iterable[Any]) -> dict[tuple[int, int, int], Any]:
    return {(span["revision_id"], span["start"], span["end"]): span for span in spans}


def _answers(old: Trace, new: Trace) -> tuple[Pair, ...]:
    return _pairs(_answer(old), _answer(new))


def _answer(trace: Trace) -> dict[str, Any]:
    """Of a trace without an answer all is None, for "there was none" is no answer either."""
    if trace.abstained is None:
        return dict.fromkeys(("text", "abstained", "reason", "confidence", "cited"))
    answer = _mapping(trace, "answer")
    cited = [
        {key: citation.get(key) for key in ("article_id", "revision_id", "start", "end")}
        for citation in answer.get("citations") or []
    ]
    return {
        "text": trace.answer,
        "abstained": trace.abstained,
        "reason": answer.get("reason", ""),
        "confidence": None if trace.confidence is None else round(trace.confidence, 4),
        "cited": cited,
    }


def _asked(trace: Trace) -> dict[str, Any]:
    """What was asked of which index, as which reader."""
    index, question = _mapping(trace, "index"), _mapping(trace, "question")
    return {
        "version": index.get("number"),
        "encoder": index.get("encoder"),
        "fingerprint": trace.encoder_fingerprint,
        "profile": trace.profile,
        "include_internal": trace.include_internal,
        "standalone": question.get("standalone") or question.get("text"),
        "rewritten_by": _mapping(trace, "rewriting").get("rewritten_by") or None,
        "not_rewritten": _mapping(trace, "rewriting").get("skipped") or None,
        "filters": _mapping(trace, "scope").get("filters"),
        "not_reranked": _mapping(trace, "reranking").get("skipped"),
    }


def _settings(trace: Trace) -> dict[str, Any]:
    """Without the name, which is the profile's."""
    return {key: each for key, each in _mapping(trace, "settings").items() if key != "name"}


def _pairs(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Pair, ...]:
    names = dict.fromkeys([*new, *old])
    return tuple(Pair(name=name, old=old.get(name), new=new.get(name)) for name in names)


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Pair, ...]:
    return tuple(pair for pair in _pairs(old, new) if pair.changed)


def _mapping(trace: Trace, key: str) -> Mapping[str, Any]:
    value = trace.detail.get(key) if isinstance(trace.detail, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _rows(trace: Trace, key: str) -> list[Any]:
    value = trace.detail.get(key) if isinstance(trace.detail, Mapping) else None
    return [row for row in value or [] if isinstance(row, Mapping)]
