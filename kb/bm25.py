"""BM25 (Robertson & Zaragoza 2009), split into what a text and what a question give.

    score = sum over the question's words of  weight(word) * saturation(count, length)

The weights of a question are scaled to sum to 1, so that a score is the share of the most
that the question's words could give: it means the same for every question and in a
workspace of any size.
"""

from __future__ import annotations

import math

K1, B = 1.2, 0.75


def inverse_document_frequency(documents: int, frequency: int) -> float:
    """Above 0 for every word; the largest for one that no document holds."""
    return math.log(1 + (documents - frequency + 0.5) / (frequency + 0.5))


def saturation(count: float, relative_length: float = 1.0) -> float:
    """What `count` occurrences are worth, 0 to 1, in a text `relative_length` times as long
    as usual."""
    return count / (count + K1 * (1 - B + B * relative_length))
