"""Tables of plain values, as `kb/admin/table.html` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of plain values under their headings; `more` rows are not shown.

    `marks` has a row's kind of change for its looks, or is empty.
    """

    name: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    more: int = 0
    marks: tuple[str, ...] = ()

    @property
    def marked_rows(self) -> list[tuple[str, tuple[Any, ...]]]:
        """Each row with its mark."""
        return list(zip(self.marks or ("",) * len(self.rows), self.rows, strict=True))
