"""An estimate in words, alone before a start and beside what really happened after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from embeddings.admin.figures import NOTHING, duration, megabytes
from embeddings.admin.version_plots import build_ended
from embeddings.hnsw import vector_indexes
from embeddings.lifecycle import STORED, VersionState
from embeddings.models import IndexVersion
from embeddings.watching.progress import VersionProgress
from kb.admin.tables import Table

Row = tuple[str, str]
OVER = frozenset({VersionState.READY, VersionState.LIVE, VersionState.STANDBY})


def estimate_table(estimate: Mapping[str, Any]) -> Table:
    """Before a start."""
    return Table(name="Estimate", headings=("What", "How much"), rows=tuple(_estimated(estimate)))


def comparison_of(version: IndexVersion, progress: VersionProgress) -> Table:
    """After it; without rows where nothing was estimated."""
    estimate, happened = version.estimate, _happened(version, progress)
    expected = dict(_comparable(estimate)) if estimate else {}
    return Table(
        name="The estimate beside what happened",
        headings=("What", "Estimated", "In fact" if version.state in OVER else "So far"),
        rows=tuple((name, value, happened.get(name, NOTHING)) for name, value in expected.items()),
    )


def _estimated(estimate: Mapping[str, Any]) -> Iterator[Row]:
    yield from _comparable(estimate)
    yield "How the time is known", str(estimate["seconds_from"])
    yield "Vectors", f"{estimate['vectors']:,}, of {estimate['dimension']:,} numbers each"
    if estimate["over_window"]:
        over = f"{estimate['over_window']:,}, embedded in overlapping windows"
        yield f"Articles longer than the model’s {estimate['window']:,} tokens", over


def _comparable(estimate: Mapping[str, Any]) -> Iterator[Row]:
    speed = estimate["tokens_per_second"]
    yield "Articles", f"{estimate['articles']:,}"
    yield "Tokens", f"{estimate['tokens']:,}"
    yield "Time", duration(estimate["seconds"])
    yield "Tokens per second", NOTHING if speed is None else f"{speed:,.0f}"
    yield "Disk", megabytes(estimate["table_bytes"] + estimate["index_bytes"])
    yield "Cost", _cost(estimate)


def _cost(estimate: Mapping[str, Any]) -> str:
    if not estimate["paid"]:
        return "nothing: the model runs here"
    if estimate["cost"] is None:
        return f"{estimate['paid_tokens']:,} tokens; no price is configured"
    return f"{estimate['cost']:,.2f} {estimate['currency']}"


def _happened(version: IndexVersion, progress: VersionProgress) -> dict[str, str]:
    ended = build_ended(version)
    if ended is None or version.state not in STORED:
        return {}
    seconds = max((ended - version.created_at).total_seconds(), 1.0)
    return {
        "Articles": f"{progress.done:,}",
        "Tokens": f"{progress.tokens:,}",
        "Time": f"{duration(seconds)}, pauses included",
        "Tokens per second": f"{progress.tokens / seconds:,.0f}",
        "Disk": megabytes(_bytes(version)),
        "Cost": progress.money or "nothing",
    }


def _bytes(version: IndexVersion) -> int:
    indexes = vector_indexes([version])[version.pk].values()
    return sum(index.bytes + index.table_bytes for index in indexes)
