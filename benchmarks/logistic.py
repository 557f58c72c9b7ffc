"""Logistic regression and the measures of a probability, small enough to read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operating:
    """What a threshold does: shares of the answerable questions answered, of the answers
    given that are wrong, and of the unanswerable questions declined."""

    threshold: float
    answered: float
    wrong: float
    declined: float


def fit(features: Array, labels: Array, weights: Array, *, ridge: float = 1.0) -> Array:
    """Coefficients, the bias first, by Newton's method; the bias is not shrunk."""
    design = np.hstack([np.ones((len(features), 1)), features])
    penalty = np.diag([0.0] + [ridge] * features.shape[1])
    coefficients = np.zeros(design.shape[1])
    for _ in range(50):
        guess = probability(features, coefficients)
        gradient = design.T @ (weights * (guess - labels)) + penalty @ coefficients
        curvature = design.T @ (design * (weights * guess * (1 - guess))[:, None]) + penalty
        step = np.linalg.solve(curvature, gradient)
        coefficients = coefficients - step
        if np.abs(step).max() < 1e-8:
            break
    return coefficients


def probability(features: Array, coefficients: Array) -> Array:
    """Of label 1, for each row."""
    total = coefficients[0] + features @ coefficients[1:]
    return np.asarray(1 / (1 + np.exp(-np.clip(total, -30, 30))))


def auroc(labels: Array, scores: Array) -> float:
    """The chance that a random positive scores above a random negative; ties count half."""
    positive, negative = scores[labels == 1], scores[labels == 0]
    if not len(positive) or not len(negative):
        return float("nan")
    above = (positive[:, None] > negative[None, :]).mean()
    return float(above + (positive[:, None] == negative[None, :]).mean() / 2)


def calibration_error(labels: Array, scores: Array, *, bins: int = 10) -> float:
    """Expected calibration error over bins of equal size."""
    order = np.array_split(np.argsort(scores), bins)
    gaps = [abs(labels[i].mean() - scores[i].mean()) * len(i) for i in order if len(i)]
    return float(sum(gaps) / len(labels))


def operating_points(
    correct: Array, answerable: Array, scores: Array, thresholds: Array
) -> list[Operating]:
    """One row per threshold."""
    return [
        Operating(
            threshold=float(threshold),
            answered=float((scores >= threshold)[answerable == 1].mean()),
            wrong=float((correct[scores >= threshold] == 0).mean())
            if (scores >= threshold).any()
            else 0.0,
            declined=float((scores < threshold)[answerable == 0].mean()),
        )
        for threshold in thresholds
    ]
