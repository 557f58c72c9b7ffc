"""Two revisions compared line by line, as plain values that a template escapes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from kb.models import Revision

CONTEXT_LINES = 3
FIELDS = ("title", "language", "audience")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffLine:
    """`kind` is same, added, removed or gap (lines that are equal and not shown)."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """`fields` as (name, old, new); `lines` of the body, empty when it is the same."""

    fields: tuple[tuple[str, str, str], ...]
    lines: tuple[DiffLine, ...]


def compare(old: Revision, new: Revision) -> Difference:
    """What `new` says otherwise than `old`."""
    pairs = ((name, getattr(old, name), getattr(new, name)) for name in FIELDS)
    return Difference(
        fields=tuple(pair for pair in pairs if pair[1] != pair[2]),
        lines=tuple(_lines(old.body.split("\n"), new.body.split("\n"))),
    )


def _lines(old: list[str], new: list[str]) -> Iterator[DiffLine]:
    matcher = SequenceMatcher(None, old, new, autojunk=len(old) + len(new) > 2000)
    for number, group in enumerate(matcher.get_grouped_opcodes(CONTEXT_LINES)):
        if number:
            yield DiffLine(kind="gap", text="⋯")
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                yield from (DiffLine(kind="same", text=line) for line in old[old_from:old_to])
                continue
            yield from (DiffLine(kind="removed", text=line) for line in old[old_from:old_to])
            yield from (DiffLine(kind="added", text=line) for line in new[new_from:new_to])
