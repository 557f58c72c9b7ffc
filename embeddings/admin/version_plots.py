"""How a build went, drawn from when each article was embedded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from django.db import connection
from django.utils import timezone

from embeddings.admin.figures import HOUR, MINUTE, compact, duration
from embeddings.lifecycle import Move, VersionState
from embeddings.models import IndexVersion
from kb.admin.plots import Mark, Plot, Point, draw_between, round_marks
from kb.admin.tables import Table

BUCKETS = 48
TABLE_ROWS = 12
SPANS_PER_SPEED = 3  # speeds are means over so many spans: single articles would make a comb
UNITS = (
    (2 * MINUTE, 1, "seconds"),
    (2 * HOUR, MINUTE, "minutes"),
    (float("inf"), HOUR, "hours"),
)
ENDS = (Move.FINISH, Move.FAIL, Move.CANCEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildHistory:
    """What was done in each of some equal spans since the start; times in seconds."""

    seconds: float
    articles: tuple[int, ...]
    tokens: tuple[int, ...]

    @property
    def span(self) -> float:
        """Length of each."""
        return self.seconds / len(self.articles)

    @property
    def ends(self) -> tuple[float, ...]:
        """When each was over."""
        return tuple(self.span * (number + 1) for number in range(len(self.articles)))

    @property
    def done(self) -> tuple[int, ...]:
        """Articles so far."""
        return tuple(accumulate(self.articles))

    @property
    def speed(self) -> tuple[float, ...]:
        """Tokens per second, for each few spans."""
        few = SPANS_PER_SPEED
        sums = (sum(self.tokens[at : at + few]) for at in range(0, len(self.tokens), few))
        return tuple(tokens / self.span / few for tokens in sums)


def plots_of(version: IndexVersion, *, total: int) -> tuple[Plot, ...]:
    """Articles and speed over time; nothing for a version that was never built in bulk."""
    ended = build_ended(version)
    if ended is None:
        return ()
    history = build_history(version, until=ended)
    if not any(history.articles):
        return ()
    return _articles_plot(history, total), _speed_plot(history)


def build_ended(version: IndexVersion) -> datetime | None:
    """Now, while it is built; None for one that was live from its start."""
    if version.state in {VersionState.BUILDING, VersionState.PAUSED}:
        return timezone.now()
    last = version.events.filter(move__in=ENDS).order_by("pk").last()
    return last.created_at if last else None


def build_history(version: IndexVersion, *, until: datetime) -> BuildHistory:
    """One query, over the entries of one version."""
    seconds = max((until - version.created_at).total_seconds(), 1.0)
    articles, tokens = [0] * BUCKETS, [0] * BUCKETS
    with connection.cursor() as cursor:
        cursor.execute(EMBEDDED, [version.created_at, seconds, BUCKETS, version.pk, until])
        for bucket, count, length in cursor.fetchall():
            place = min(max(bucket, 1), BUCKETS) - 1
            articles[place] += count
            tokens[place] += length
    return BuildHistory(seconds=seconds, articles=tuple(articles), tokens=tuple(tokens))


EMBEDDED = """
    SELECT width_bucket(extract(epoch FROM embedded_at - %s), 0, %s, %s) AS bucket,
           count(*), coalesce(sum(tokens), 0)
    FROM embeddings_indexentry
    WHERE index_version_id = %s AND state = 'embedded' AND embedded_at <= %s
    GROUP BY bucket
"""


def _articles_plot(history: BuildHistory, total: int) -> Plot:
    done = [(0.0, 0.0), *zip(history.ends, map(float, history.done), strict=True)]
    most = max(total, history.done[-1])
    goal = [(0.0, float(most)), (history.seconds, float(most))]
    return draw_between(
        [("Embedded", done), ("Published", goal)],
        key="articles",
        name="Articles over time",
        summary=f"{history.done[-1]:,} of {most:,} articles after {duration(history.seconds)}.",
        axes=(_time_axis(history.seconds), "articles"),
        x_marks=_time_marks(history.seconds),
        y_marks=_marks(most),
        table=_table("Articles over time, in figures", "Articles", done[1:]),
    )


def _speed_plot(history: BuildHistory) -> Plot:
    ends = history.ends[SPANS_PER_SPEED - 1 :: SPANS_PER_SPEED]
    points = list(zip(ends, history.speed, strict=True))
    mean = sum(history.tokens) / history.seconds
    return draw_between(
        [("Tokens per second", points)],
        key="speed",
        name="Speed over time",
        summary=f"{mean:,.0f} tokens per second on average, pauses included.",
        axes=(_time_axis(history.seconds), "tokens per second"),
        x_marks=_time_marks(history.seconds),
        y_marks=_marks(max(history.speed)),
        table=_table("Speed over time, in figures", "Tokens per second", points),
    )


def _marks(most: float) -> list[Mark]:
    return [(value, compact(value)) for value, _ in round_marks(most)]


def _time_marks(seconds: float) -> list[Mark]:
    size, _ = _unit(seconds)
    return [(value * size, f"{value:g}") for value, _ in round_marks(seconds / size)]


def _time_axis(seconds: float) -> str:
    return f"{_unit(seconds)[1]} since the start"


def _unit(seconds: float) -> tuple[int, str]:
    return next((size, name) for limit, size, name in UNITS if seconds <= limit)


def _table(name: str, heading: str, points: Sequence[Point]) -> Table:
    step = max(1, len(points) // TABLE_ROWS)
    shown = points[step - 1 :: step]
    return Table(
        name=name,
        headings=("After", heading),
        rows=tuple((duration(at), f"{value:,.0f}") for at, value in shown),
    )
