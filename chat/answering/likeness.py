"""How alike two questions are, on a scale that means the same for every encoder.

Encoders crowd their vectors differently: two questions that have nothing in common have a
cosine near 0 under one model and of .8 under another (E5). The scale begins at that chance
level, which is measured with a few questions of unrelated subjects, and ends at 1.
"""

from __future__ import annotations

import numpy as np

from embeddings.encoders.base import Encoder, Task

# Short, as visitors ask, and no two of one subject.
UNRELATED = (
    "how do I reset my password",
    "which bus goes to the airport",
    "is the soup vegetarian",
    "when does the museum open on Sundays",
    "what is the warranty on the washing machine",
    "can I bring my dog to the office",
    "how many calories are in a banana",
    "who won the chess tournament",
    "where is my parcel",
    "does the course end with an exam",
    "what is the interest rate of a mortgage",
    "how often should roses be watered",
    "why is my screen flickering",
    "may I cancel the flight free of charge",
    "which size of shoes should I order",
    "how do I renew my library card",
)
_chances: dict[str, float] = {}


def chance(encoder: Encoder) -> float:
    """The mean cosine of questions that have nothing in common, as this encoder sees them.

    Measured once per process and encoder, in one call. Raises EncoderUnavailable.
    """
    known = _chances.get(encoder.fingerprint)
    if known is None:
        vectors = encoder.encode(UNRELATED, Task.TEXT_MATCHING)
        cosines = vectors @ vectors.T
        known = float(np.mean(cosines[np.triu_indices(len(UNRELATED), k=1)]))
        _chances[encoder.fingerprint] = known
    return known


def likeness(cosine: float, chance: float) -> float:
    """0 for no more alike than any two questions, 1 for the same."""
    return min(1.0, max(0.0, (cosine - chance) / max(1 - chance, 1e-6)))
