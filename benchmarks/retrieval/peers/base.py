"""The seam: a framework's index of articles, and what to ask of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerArticle:
    """An article as a framework gets it: one text, the title first."""

    id: str
    text: str


class PeerIndex(Protocol):
    """A framework as its own documentation sets it up, with its default splitter."""

    @property
    def packages(self) -> tuple[str, ...]:
        """Whose versions the report names."""

    def __init__(self, model: str) -> None:
        """Load the weights in the folder `model`."""

    def build(self, articles: Sequence[PeerArticle]) -> None:
        """Split, encode and store."""

    def save(self, folder: Path) -> None:
        """Keep what `build` made."""

    def load(self, folder: Path) -> None:
        """Take what `save` kept, in place of `build`."""

    def count(self) -> int:
        """Chunks stored."""

    def search(self, question: str, *, chunks: int) -> list[tuple[str, float]]:
        """Article and score of the nearest chunks."""
