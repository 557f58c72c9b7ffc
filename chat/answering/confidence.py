"""How likely it is that the answer is right: a logistic regression over a few features.

All features come from the retrieval and the ranked sentences, none from other questions,
so a single answer can be judged. The shipped coefficients were fitted by
benchmarks/fit_confidence.py, which says on what and how well they do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from chat.answering.ranking import RankedSentence
from chat.retrieval.lexemes import QuestionTerms
from chat.retrieval.results import Retrieval

COEFFICIENTS: Mapping[str, float] = {
    "bias": -6.04,
    "similarity": 1.43,
    "words": -0.42,
    "passage": 1.81,
    "passage_words": 1.09,
    "margin": 3.26,
    "known_words": 0.2,
    "question_words": 1.07,
}


def features(retrieval: Retrieval, ranked: Sequence[RankedSentence]) -> dict[str, float]:
    """What the confidence is judged by; every value finite, most of them 0 to 1.

    similarity, words: of the best sentence; passage, passage_words: of the best article's
    best passage; margin: its lead over the second article (0 if it is the only one);
    known_words: the share of the question's words, by weight, that any article has;
    question_words: how many words the question has that are no stop words (logarithm).
    """
    legs = retrieval.hits[0].fused.legs if retrieval.hits else {}
    terms = retrieval.legs.terms
    return {
        "similarity": max((each.similarity for each in ranked), default=0.0),
        "words": max((each.words for each in ranked), default=0.0),
        "passage": legs.get("passage") or 0.0,
        "passage_words": legs.get("passage_words") or 0.0,
        "margin": _margin(retrieval),
        "known_words": known_share(terms),
        "question_words": math.log1p(max(map(len, terms.weights.values()), default=0)),
    }


def confidence(
    features: Mapping[str, float], coefficients: Mapping[str, float] = COEFFICIENTS
) -> float:
    """A probability, 0 to 1."""
    total = coefficients["bias"] + sum(
        coefficients[name] * value for name, value in features.items()
    )
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))


def known_share(terms: QuestionTerms) -> float:
    """The weight of the question's words that stand in at least one article, as a share."""
    return max((terms.known(language) for language in terms.weights), default=0.0)


def _margin(retrieval: Retrieval) -> float:
    scores = [hit.score for hit in retrieval.hits[:2]]
    return scores[0] - scores[1] if len(scores) == 2 else 0.0
