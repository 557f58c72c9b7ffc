"""Plots as SVG geometry, drawn by the server: no script, and the numbers in a table beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chat.admin.trace_page import Table

WIDTH, HEIGHT = 480.0, 240.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 12.0, 12.0, 36.0
Point = tuple[float, float]


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
    low, high = x_marks[0], x_marks[-1]
    floor = _floor([y for _, points in series for _, y in points])
    lines = tuple(
        _line(title, number, [_place(point, low, high, floor) for point in points])
        for number, (title, points) in enumerate(series)
    )
    marks = [floor + (1 - floor) * step / 4 for step in range(5)]
    return Plot(
        key=key,
        name=name,
        summary=summary,
        across=axes[0],
        upwards=axes[1],
        lines=lines,
        x_ticks=tuple(Tick(at=_x(mark, low, high), text=f"{mark:g}") for mark in x_marks),
        y_ticks=tuple(Tick(at=_y(mark, floor), text=f"{mark:.2f}") for mark in marks),
        table=table,
    )


def _floor(values: Sequence[float]) -> float:
    """A round share below all of them, so that lines close to 1 can be told apart."""
    return min(int(min(values, default=0.0) * 5) / 5, 0.8)


def _line(name: str, number: int, points: Sequence[Point]) -> Line:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    ends = tuple((round(x, 1), round(y, 1)) for x, y in points) if len(points) <= 12 else ()
    return Line(name=name, number=number, path=path, ends=ends)


def _place(point: Point, low: float, high: float, floor: float) -> Point:
    return _x(point[0], low, high), _y(point[1], floor)


def _x(value: float, low: float, high: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / ((high - low) or 1)


def _y(value: float, floor: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - floor) / (1 - floor))
