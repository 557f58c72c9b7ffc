"""How likely it is that the answer is right: a logistic regression over a few features.

All features come from the retrieval and the ranked sentences, none from other questions,
so a single answer can be judged. The shipped coefficients were fitted by
benchmarks/fit_confidence.py, which says on what and how well they do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from chat.answering.ranking import RankedSentence
from chat.retrieval.results import Retrieval

COEFFICIENTS: Mapping[str, float] = {"bias": -3.75, "sentence": 3.04, "margin": 2.59}


def features(retrieval: Retrieval, ranked: Sequence[RankedSentence]) -> dict[str, float]:
    """What the confidence is judged by; every value finite.

    sentence: the best sentence's score; margin: the best article's lead over the second (0 if
    it is the only one). The share of the question's words found, its length and the legs'
    own scores were tried beside them: they did not carry over to data sets not fitted on.
    """
    return {"sentence": ranked[0].score if ranked else 0.0, "margin": _margin(retrieval)}


def confidence(
    features: Mapping[str, float], coefficients: Mapping[str, float] = COEFFICIENTS
) -> float:
    """A probability, 0 to 1."""
    total = coefficients["bias"] + sum(
        coefficients[name] * value for name, value in features.items()
    )
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))


def _margin(retrieval: Retrieval) -> float:
    scores = [hit.score for hit in retrieval.hits[:2]]
    return scores[0] - scores[1] if len(scores) == 2 else 0.0
