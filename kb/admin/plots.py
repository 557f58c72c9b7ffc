"""Plots as SVG geometry, drawn by the server: no script, and the numbers in a table beside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kb.admin.tables import Table

WIDTH, HEIGHT = 480.0, 240.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 12.0, 12.0, 36.0
DOTTED = 12  # lines of at most so many points have them drawn
Point = tuple[float, float]
Mark = tuple[float, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: `path` for an SVG polyline; `number` chooses its colour and dashes."""

    name: str
    number: int
    path: str
    ends: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark on an axis, at a coordinate of the drawing."""

    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A drawing with what it says in words and in figures."""

    key: str
    name: str
    summary: str
    across: str
    upwards: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    table: Table
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


def draw(
    series: Sequence[tuple[str, Sequence[Point]]],
    *,
    key: str,
    name: str,
    summary: str,
    axes: tuple[str, str],
    x_marks: Sequence[float],
    table: Table,
) -> Plot:
    """Lines through points whose y is a share, from 0 to 1; x runs over `x_marks`."""
    floor = _floor([y for _, points in series for _, y in points])
    marks = [floor + (1 - floor) * step / 4 for step in range(5)]
    return draw_between(
        series,
        key=key,
        name=name,
        summary=summary,
        axes=axes,
        x_marks=[(mark, f"{mark:g}") for mark in x_marks],
        y_marks=[(mark, f"{mark:.2f}") for mark in marks],
        table=table,
    )


def draw_between(
    series: Sequence[tuple[str, Sequence[Point]]],
    *,
    key: str,
    name: str,
    summary: str,
    axes: tuple[str, str],
    x_marks: Sequence[Mark],
    y_marks: Sequence[Mark],
    table: Table,
) -> Plot:
    """Lines through points; each axis runs from its first mark to its last."""
    across, upwards = _x_scale(x_marks), _y_scale(y_marks)
    lines = tuple(
        _line(title, number, [(across(x), upwards(y)) for x, y in points])
        for number, (title, points) in enumerate(series)
    )
    return Plot(
        key=key,
        name=name,
        summary=summary,
        across=axes[0],
        upwards=axes[1],
        lines=lines,
        x_ticks=tuple(Tick(at=across(value), text=text) for value, text in x_marks),
        y_ticks=tuple(Tick(at=upwards(value), text=text) for value, text in y_marks),
        table=table,
    )


def round_marks(most: float, *, steps: int = 4) -> list[Mark]:
    """Round numbers from 0 to `most` or a little above, at most `steps` + 1 of them."""
    rough = max(most, 1.0) / steps
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * nice for nice in (1, 2, 2.5, 5, 10) if size * nice >= rough)
    step = max(step, 1.0)
    count = max(1, math.ceil(most / step))
    return [(step * number, f"{step * number:,.0f}") for number in range(count + 1)]


def _floor(values: Sequence[float]) -> float:
    """A round share below all of them, so that lines close to 1 can be told apart."""
    return min(int(min(values, default=0.0) * 5) / 5, 0.8)


def _line(name: str, number: int, points: Sequence[Point]) -> Line:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    ends = tuple((round(x, 1), round(y, 1)) for x, y in points) if len(points) <= DOTTED else ()
    return Line(name=name, number=number, path=path, ends=ends)


def _x_scale(marks: Sequence[Mark]) -> Scale:
    return Scale(low=marks[0][0], high=marks[-1][0], start=LEFT, end=WIDTH - RIGHT)


def _y_scale(marks: Sequence[Mark]) -> Scale:
    return Scale(low=marks[0][0], high=marks[-1][0], start=HEIGHT - BOTTOM, end=TOP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """From values to coordinates of the drawing."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Where a value is."""
        share = (value - self.low) / ((self.high - self.low) or 1)
        return self.start + (self.end - self.start) * share
