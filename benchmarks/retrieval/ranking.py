"""From found chunks to ranked articles."""

from __future__ import annotations

from collections.abc import Iterable


def best_chunk_ranking(chunks: Iterable[tuple[str, float]]) -> list[str]:
    """Articles by their best chunk's score, best first; what was found first wins a tie."""
    best: dict[str, float] = {}
    for article, score in chunks:
        best[article] = max(score, best.get(article, score))
    return sorted(best, key=lambda article: -best[article])
