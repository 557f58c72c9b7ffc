"""Two runs of the same questions, compared question by question.

Paired bootstrap (Efron & Tibshirani 1993; for rankings Smucker et al. 2007): the questions
are drawn anew many times, and the differences of the means give the interval. Two figures
that differ by less than it are not told apart by these questions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chat.evaluation.metrics import measures_in_order
from chat.evaluation.report import question_measures
from chat.models import QuestionOutcome

Array = NDArray[np.float64]

RESAMPLES = 10_000
SEED = 20_240_229
DRAWN_AT_ONCE = 250  # resamples; bounds the memory
ANSWERED_RIGHT = "answered_right"
SHOWN_QUESTIONS = 25
DECIDED_BY = "ndcg@10"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Of one measure, second minus first, with its 95 % interval over `questions`."""

    measure: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    questions: int

    @property
    def verdict(self) -> str:
        """In words: whether the interval leaves a doubt about the sign."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "no clear difference"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A question that fared differently, by nDCG@10; ranks from 1 (None: not found)."""

    key: str
    text: str
    first: float
    second: float
    first_rank: int | None
    second_rank: int | None

    @property
    def difference(self) -> float:
        """Second minus first."""
        return round(self.second - self.first, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`shared` questions were asked in both; the largest changes come first, and at most
    SHOWN_QUESTIONS of each kind are listed of those counted."""

    shared: int
    differences: tuple[Difference, ...]
    better: tuple[Change, ...]
    worse: tuple[Change, ...]
    better_count: int
    worse_count: int

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        told = {
            each.measure: {**asdict(each), "verdict": each.verdict} for each in self.differences
        }
        return {**asdict(self), "differences": told}


def compare(first: Sequence[QuestionOutcome], second: Sequence[QuestionOutcome]) -> Comparison:
    """Over the questions, by key, that both runs asked in the same words and conditions."""
    pairs = paired(first, second)
    changes = [change for pair in pairs if (change := _change(*pair)).difference]
    better = sorted((c for c in changes if c.difference > 0), key=lambda c: -c.difference)
    worse = sorted((c for c in changes if c.difference < 0), key=lambda c: c.difference)
    return Comparison(
        shared=len(pairs),
        differences=tuple(differences(pairs, _values)),
        better=tuple(better[:SHOWN_QUESTIONS]),
        worse=tuple(worse[:SHOWN_QUESTIONS]),
        better_count=len(better),
        worse_count=len(worse),
    )


def paired(
    first: Sequence[QuestionOutcome], second: Sequence[QuestionOutcome]
) -> list[tuple[QuestionOutcome, QuestionOutcome]]:
    """Outcomes of the same question, as `compare` takes them for the same."""
    others = {_identity(each): each for each in second}
    return [(each, others[_identity(each)]) for each in first if _identity(each) in others]


def _identity(outcome: QuestionOutcome) -> tuple[str, str, bool]:
    return outcome.key, outcome.text, outcome.hidden


def _values(outcome: QuestionOutcome) -> dict[str, float]:
    values = question_measures(outcome)
    if outcome.answerable and outcome.answered is not None:
        values[ANSWERED_RIGHT] = float(outcome.answered and bool(outcome.right))
    return values


def differences(
    pairs: Sequence[tuple[QuestionOutcome, QuestionOutcome]],
    values_of: Callable[[QuestionOutcome], Mapping[str, float]],
) -> list[Difference]:
    """Of each value that both outcomes of some pair have, second minus first."""
    values = [(values_of(one), values_of(other)) for one, other in pairs]
    shared = {name for one, other in values for name in one if name in other}
    names = measures_in_order(sorted(shared))
    if not names:
        return []
    table = np.array(
        [[(one.get(n, np.nan), other.get(n, np.nan)) for n in names] for one, other in values],
        dtype=np.float64,
    )
    table[np.isnan(table).any(axis=2)] = np.nan  # a measure counts where both have it
    means = np.nanmean(table, axis=0)
    low, high = bootstrap(table[:, :, 1] - table[:, :, 0])
    return [
        Difference(
            measure=name,
            first=round(float(means[i, 0]), 4),
            second=round(float(means[i, 1]), 4),
            difference=round(float(means[i, 1] - means[i, 0]), 4),
            low=round(float(low[i]), 4),
            high=round(float(high[i]), 4),
            questions=int((~np.isnan(table[:, i, 0])).sum()),
        )
        for i, name in enumerate(names)
    ]


def bootstrap(differences: Array) -> tuple[Array, Array]:
    """The 2.5 and 97.5 percentiles of the resampled means of each column; NaN is no value.

    `differences` has a row per question. Seeded: the same input gives the same interval.
    """
    questions = len(differences)
    known = ~np.isnan(differences)
    values = np.where(known, differences, 0.0)
    chance = np.random.default_rng(SEED)
    means = []
    for _ in range(RESAMPLES // DRAWN_AT_ONCE):
        drawn = chance.integers(questions, size=(DRAWN_AT_ONCE, questions))
        drawn += np.arange(DRAWN_AT_ONCE)[:, None] * questions
        times = np.bincount(drawn.ravel(), minlength=DRAWN_AT_ONCE * questions)
        weights = times.reshape(DRAWN_AT_ONCE, questions).astype(np.float64)
        counted = weights @ known
        means.append(
            np.divide(weights @ values, counted, where=counted > 0, out=np.zeros_like(counted))
        )
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5], axis=0)
    return low, high


def _change(one: QuestionOutcome, other: QuestionOutcome) -> Change:
    return Change(
        key=one.key,
        text=one.text,
        first=question_measures(one).get(DECIDED_BY, 0.0),
        second=question_measures(other).get(DECIDED_BY, 0.0),
        first_rank=one.rank,
        second_rank=other.rank,
    )
