"""How many vectors an encoder makes of articles, and what they take on disk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from embeddings.encoders.registry import configuration
from embeddings.encoders.strategies import PASSAGE_TOKENS
from embeddings.estimates.probing import Counted, Probe
from embeddings.hnsw import MOST_DIMENSIONS
from embeddings.partitions import MOST_IN_A_ROW

PAGE, PAGE_ROOM = 8_192, 8_160
# Beside the halves: header, line pointer, keys, and what a passage says of its place.
ARTICLE_ROW, PASSAGE_ROW = 60, 76
KEY = 40  # a row in the primary key's index
HNSW_NODE = 430  # neighbours and headers: measured on a million vectors of 384 dimensions


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a strategy cuts, in tokens: pieces of `size` that share `overlap`."""

    size: int
    overlap: int

    def pieces(self, tokens: int) -> int:
        """Of an article; one at least."""
        return max(1, math.ceil((tokens - self.overlap) / (self.size - self.overlap)))

    def repeated(self, tokens: int) -> int:
        """Tokens of the pieces together."""
        return tokens + (self.pieces(tokens) - 1) * self.overlap


def shape_of(alias: str, *, window: int) -> Shape:
    """By the configuration, as `embeddings.encoders.strategies` has it."""
    entry = configuration(alias)
    options: dict[str, Any] = entry.get("OPTIONS", {})
    usual = min(PASSAGE_TOKENS, max(2, window * 3 // 4))
    size, overlap = int(options.get("passage_tokens", usual)), 0
    if entry["STRATEGY"] == "windows":
        overlap = int(size // 5 if options.get("overlap") is None else options["overlap"])
    if entry["STRATEGY"] == "whole":
        size = max(2, window * 7 // 8)
        overlap = min(512, window // 4, size // 2)
    return Shape(size=size, overlap=min(overlap, size - 1))


def passages_of(counted: Sequence[Counted], shape: Shape, probe: Probe | None) -> int:
    """By the shape, put right by what the probe's articles gave: they end at sentences."""
    expected = sum(shape.pieces(each.body) for each in counted)
    if probe is None:
        return expected
    tried = sum(shape.pieces(e.body) for e in counted if e.revision_id in probe.revision_ids)
    return round(expected * probe.passages / tried) if tried else expected


def table_bytes(*, articles: int, passages: int, dimension: int) -> int:
    """Both tables with their primary keys."""
    rows = ((articles, ARTICLE_ROW), (passages, PASSAGE_ROW))
    return sum(_pages(count, 2 * dimension + beside) + KEY * count for count, beside in rows)


def hnsw_bytes(*, articles: int, passages: int, dimension: int) -> int:
    """Of the graphs over what is too large for an exact scan; 0 where there are none."""
    if dimension > MOST_DIMENSIONS:
        return 0
    large = [count for count in (articles, passages) if count >= settings.EXACT_SEARCH_VECTORS]
    return sum(count * (2 * dimension + HNSW_NODE) for count in large)


def _pages(rows: int, row: int) -> int:
    """A vector stays on one page as long as it fits; then it is cut into parts elsewhere."""
    if row > MOST_IN_A_ROW * 2 + PASSAGE_ROW:
        return rows * (row + 200)
    return math.ceil(rows / max(1, PAGE_ROOM // row)) * PAGE
