"""How likely it is that the answer is right: a logistic regression over a few features.

All features come from the retrieval and the ranked sentences, none from other questions,
so a single answer can be judged. The shipped coefficients were fitted on doc2dial-dev and
wixqa160, each question with its article and without; benchmarks/fit_confidence.py says how
well they do there and elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from chat.answering.ranking import RankedSentence
from chat.retrieval.fusion import TITLE
from chat.retrieval.results import Retrieval

COEFFICIENTS: Mapping[str, float] = {
    "bias": -3.87, "similarity": 4.14, "margin": 0.76, "lead": 2.4,
}  # fmt: skip
# Articles that the best one is compared with.
RIVALS = 9


def features(retrieval: Retrieval, ranked: Sequence[RankedSentence]) -> dict[str, float]:
    """What the confidence is judged by; every value finite.

    sentence, similarity, coverage: the best score, similarity to the question and share of its
    words of any sentence; title: the share that the best article's title says; margin: the best
    article's lead over the second, and lead: over the mean of the next nine (0 if it is the
    only one). The shipped coefficients use those that carry over to knowledge bases they were
    not fitted on; a workspace's own fit may use all.
    """
    return {
        "sentence": max((each.score for each in ranked), default=0.0),
        "similarity": max((each.similarity for each in ranked), default=0.0),
        "coverage": max((each.words for each in ranked), default=0.0),
        "title": (retrieval.hits[0].fused.legs.get(TITLE) or 0.0) if retrieval.hits else 0.0,
        "margin": _lead(retrieval, 1),
        "lead": _lead(retrieval, RIVALS),
    }


def confidence(
    features: Mapping[str, float], coefficients: Mapping[str, float] = COEFFICIENTS
) -> float:
    """A probability, 0 to 1."""
    total = coefficients["bias"] + sum(
        coefficients.get(name, 0.0) * value for name, value in features.items()
    )
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))


def _lead(retrieval: Retrieval, rivals: int) -> float:
    scores = [article.score for article in retrieval.fused[: rivals + 1]]
    return scores[0] - fmean(scores[1:]) if len(scores) > 1 else 0.0
