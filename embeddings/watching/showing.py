"""A version's progress in words and as a bar, for whoever sits at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeAlias

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from embeddings.estimates.estimating import Estimate
from embeddings.models import IndexVersion
from embeddings.watching.progress import VersionProgress

Look: TypeAlias = Callable[[IndexVersion, VersionProgress], None]


@contextmanager
def version_bar(write: Callable[[str], object]) -> Iterator[Look]:
    """Yields `look(version, progress)`: it draws a bar where there is a terminal.

    What the version waits for is written as a line, in a log too, whenever that changes.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    speed = TextColumn("{task.fields[speed]}")
    live = sys.stderr.isatty()
    told: tuple[str, str] = ("", "")
    with Progress(*columns, speed, console=Console(stderr=True), disable=not live) as bar:
        task = bar.add_task("", total=None, speed="")
        tell = partial(bar.console.out, highlight=False) if live else write

        def look(version: IndexVersion, progress: VersionProgress) -> None:
            nonlocal told
            name = f"Version {version.number}, {version.get_state_display().lower()}"
            bar.update(
                task,
                description=name,
                completed=progress.done,
                total=progress.total,
                speed=escape(pace_text(progress)),
            )
            line, reason = f"{name}: {progress.waits_for}", (version.state, progress.waiting_kind)
            if reason != told and progress.waits_for:
                tell(line)
            told = reason

        yield look


def pace_text(progress: VersionProgress) -> str:
    """Speed, time left and money, as far as known."""
    parts = [f"{progress.tokens_per_second:,.0f} tokens/s"] if progress.tokens_per_second else []
    if progress.eta_seconds:
        parts.append(f"about {duration(progress.eta_seconds)} left")
    if progress.money:
        parts.append(progress.money)
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Roughly: "40 s", "12 min", "3 h 20 min", "2 days"."""
    if seconds < 90:
        return f"{seconds:,.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours < 48 else f"{round(hours / 24)} days"


def size(count: int) -> str:
    """Bytes, roughly: "12 MB"."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:,.0f} {unit}"
        value /= 1000
    return f"{value:,.1f} TB"


def estimate_lines(found: Estimate) -> list[str]:
    """What a re-embedding takes, for people; warnings at the end."""
    index = f", and {size(found.index_bytes)} of HNSW index" if found.index_bytes else ""
    over = f"{found.over_window:,} articles exceed the window of {found.window:,}"
    lines = [
        f"{found.encoder} ({found.strategy}), {found.dimension:,} dimensions, {found.workspace}:",
        f"  articles  {found.articles:,}; {over}",
        f"  tokens    {found.tokens:,}",
        f"  time      {_time_of(found)}",
        f"  vectors   about {found.vectors:,}, {size(found.table_bytes)} on disk{index}",
    ]
    if found.paid:
        lines.append(f"  money     {_money_of(found)}")
    return [*lines, *(f"Warning: {text}" for text in found.warnings)]


def _time_of(found: Estimate) -> str:
    if found.seconds is None:
        return found.seconds_from
    return f"about {duration(found.seconds)}, with one worker ({found.seconds_from})"


def _money_of(found: Estimate) -> str:
    tokens = f"about {found.paid_tokens:,} paid tokens"
    if found.cost is None:
        return f"{tokens}, price not known"
    return f"about {found.cost:,.2f} {found.currency} for {tokens}"
