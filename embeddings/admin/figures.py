"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Mapping

NOTHING = "–"
MINUTE, HOUR, DAY = 60, 3_600, 86_400
THOUSANDS_FROM = 10_000


def duration(seconds: float | None) -> str:
    """Of two units at most; a dash for none."""
    if seconds is None:
        return NOTHING
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    if seconds < HOUR:
        return _two(seconds, MINUTE, "min", 1, "s")
    if seconds < DAY:
        return _two(seconds, HOUR, "h", MINUTE, "min")
    return _two(seconds, DAY, "d", HOUR, "h")


def about(seconds: float) -> str:
    """As `duration`, without seconds from a minute on: for what changes all the time."""
    return duration(seconds if seconds < MINUTE else seconds - seconds % MINUTE)


def compact(number: float) -> str:
    """Thousands as k from ten thousand on, where there is little room."""
    return f"{number / 1_000:,g}k" if number >= THOUSANDS_FROM else f"{number:,g}"


def megabytes(size: float | None) -> str:
    """Of bytes."""
    return NOTHING if size is None else f"{size / 1_000_000:,.1f} MB"


def told(details: Mapping[str, object]) -> str:
    """An event's details in a line; what is empty says nothing."""
    parts = (
        (name.replace("_", " "), value)
        for name, value in details.items()
        if value not in (None, "", [], {})
    )
    return "; ".join(f"{name}: {_value(value)}" for name, value in parts)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,g}" if isinstance(value, int | float) else str(value)


def _two(seconds: float, large: int, name: str, small: int, part: str) -> str:
    whole, rest = divmod(round(seconds / small), large // small)
    return f"{whole} {name} {rest} {part}" if rest else f"{whole} {name}"
