"""Answering or declining: what each threshold of confidence would have done.

Risk-coverage (El-Yaniv & Wiener 2010): coverage is the share of all questions that get an
answer, risk the share of those answers that are wrong. Wrong is an answer none of whose
citations lies on a labelled passage, and any answer to a question that has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chat.models import QuestionOutcome

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

ACCEPTED_RISK = 0.05
CURVE_POINTS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Questions with their confidence, one row each; one that is not `quoted` had nothing to
    quote and is never answered."""

    scores: Array
    right: Flags
    quoted: Flags
    answerable: Flags

    def scored(self, scores: Array) -> Self:
        """The same questions with another confidence; 0 where there is nothing to quote."""
        return replace(self, scores=np.where(self.quoted, scores, 0.0))

    def chosen(self, rows: Flags) -> Self:
        """Some of them."""
        return replace(
            self,
            scores=self.scores[rows],
            right=self.right[rows],
            quoted=self.quoted[rows],
            answerable=self.answerable[rows],
        )


def judged_of(outcomes: Sequence[QuestionOutcome]) -> Judged:
    """Outcomes that have a confidence."""
    return Judged(
        scores=np.array([each.confidence for each in outcomes], dtype=np.float64),
        right=np.array([bool(each.right) for each in outcomes], dtype=np.bool_),
        quoted=np.array([each.right is not None for each in outcomes], dtype=np.bool_),
        answerable=np.array([each.answerable for each in outcomes], dtype=np.bool_),
    )


def abstention(outcomes: Sequence[QuestionOutcome], *, threshold: float) -> dict[str, Any]:
    """Figures over the questions that were answered or declined; empty for none.

    `auroc` is the chance that an answerable question is more confident than another,
    `aurc` the mean risk over the coverage, `profile` what the profile's threshold does,
    `at_5_percent_wrong` the most answers within that risk, `curve` rows of threshold,
    coverage and risk.
    """
    judged = judged_of([each for each in outcomes if each.confidence is not None])
    if not len(judged.scores):
        return {}
    curve = risk_curve(judged)
    return {
        "questions": len(judged.scores),
        "answerable": int(judged.answerable.sum()),
        "unanswerable": int((~judged.answerable).sum()),
        "auroc": auroc(judged.answerable, judged.scores),
        "auroc_right": auroc(judged.right, judged.scores),
        "aurc": area(curve),
        "profile": point_at(judged, threshold),
        "at_5_percent_wrong": point_at(judged, accepted_threshold(curve)),
        "curve": thinned(curve),
    }


def auroc(positive: Flags, scores: Array) -> float | None:
    """The chance that a random positive scores above a random other one; ties count half."""
    ours, others = scores[positive], np.sort(scores[~positive])
    if not len(ours) or not len(others):
        return None
    below = np.searchsorted(others, ours, "left") + np.searchsorted(others, ours, "right")
    return round(float(below.sum() / (2 * len(ours) * len(others))), 4)


def risk_curve(judged: Judged) -> Array:
    """Rows of threshold, coverage and risk, the strictest first; ties are answered together."""
    scores = judged.scores[judged.quoted]
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    wrong = np.cumsum(~judged.right[judged.quoted][order])
    last_of_tie = np.append(falling[1:] != falling[:-1], True)[: len(falling)]
    ends = np.flatnonzero(last_of_tie)
    answers = ends + 1
    return np.column_stack([falling[ends], answers / len(judged.scores), wrong[ends] / answers])


def area(curve: Array) -> float | None:
    """The mean risk over the coverage; None for no answer."""
    if not len(curve):
        return None
    steps = np.diff(curve[:, 1], prepend=0.0)
    return round(float((steps * curve[:, 2]).sum() / curve[-1, 1]), 4)


def accepted_threshold(curve: Array) -> float | None:
    """The one with the most answers within the accepted risk; None where there is none."""
    within = curve[curve[:, 2] <= ACCEPTED_RISK]
    return float(within[-1, 0]) if len(within) else None


def point_at(judged: Judged, threshold: float | None) -> dict[str, float | None]:
    """Shares at a threshold: of the answerable answered, of the answers wrong, of the others
    declined. None as threshold declines everything."""
    answered = judged.quoted & (judged.scores >= (np.inf if threshold is None else threshold))
    return {
        "threshold": None if threshold is None else round(threshold, 4),
        "answered": _share(answered[judged.answerable]),
        "wrong": _share(~judged.right[answered]),
        "declined": _share(~answered[~judged.answerable]),
    }


def thinned(curve: Array) -> list[list[float]]:
    """As many points as a plot shows."""
    if not len(curve):
        return []
    kept = np.unique(np.linspace(0, len(curve) - 1, CURVE_POINTS).round().astype(int))
    return [[round(float(value), 4) for value in row] for row in curve[kept]]


def _share(flags: Flags) -> float | None:
    return round(float(flags.mean()), 4) if len(flags) else None
