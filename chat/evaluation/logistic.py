"""Logistic regression and the measures of a probability, small enough to read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Of the penalty on standardised coefficients, in questions: flat from 0.3 to 10.
RIDGE = 1.0
BINS = 10
SURE = 1e-9  # no probability is nearer to 0 or 1 when its logarithm is taken


def fit(features: Array, labels: Array, weights: Array, *, ridge: float = RIDGE) -> Array:
    """Coefficients, the bias first, by Newton's method; the bias is not shrunk."""
    design = np.hstack([np.ones((len(features), 1)), features])
    penalty = np.diag([0.0] + [ridge] * features.shape[1])
    coefficients = np.zeros(design.shape[1])
    for _ in range(50):
        guess = probability(features, coefficients)
        gradient = design.T @ (weights * (guess - labels)) + penalty @ coefficients
        # The last term keeps it solvable where every guess is sure.
        curvature = design.T @ (design * (weights * guess * (1 - guess))[:, None]) + penalty
        curvature += np.eye(len(curvature)) * SURE
        step = np.linalg.solve(curvature, gradient)
        coefficients = coefficients - step
        if np.abs(step).max() < 1e-8:
            break
    return coefficients


def fit_standardised(features: Array, labels: Array, *, ridge: float = RIDGE) -> Array:
    """The same with every feature on one scale while it is shrunk; the coefficients are those
    of the features as given. A feature that never varies gets none."""
    middle, spread = features.mean(axis=0), features.std(axis=0)
    varies = spread > SURE
    scaled = np.where(varies, (features - middle) / np.where(varies, spread, 1.0), 0.0)
    bias, *shrunk = fit(scaled, labels, np.ones(len(labels)), ridge=ridge)
    own = np.where(varies, np.array(shrunk) / np.where(varies, spread, 1.0), 0.0)
    return np.concatenate([[bias - own @ middle], own])


def probability(features: Array, coefficients: Array) -> Array:
    """Of label 1, for each row."""
    total = coefficients[0] + features @ coefficients[1:]
    return np.asarray(1 / (1 + np.exp(-np.clip(total, -30, 30))))


def log_loss(labels: Array, scores: Array) -> float:
    """Mean surprise in nats; lower is better."""
    safe = np.clip(scores, SURE, 1 - SURE)
    return float(-(labels * np.log(safe) + (1 - labels) * np.log(1 - safe)).mean())


def calibration_error(labels: Array, scores: Array, *, bins: int = BINS) -> float:
    """Expected calibration error over bins of equal size."""
    rows = reliability(labels, scores, bins=bins)
    return float(sum(abs(share - score) * count for score, share, count in rows) / len(labels))


def reliability(
    labels: Array, scores: Array, *, bins: int = BINS
) -> list[tuple[float, float, int]]:
    """By bins of equal size, from unsure to sure: mean score, share of label 1, how many."""
    order = np.array_split(np.argsort(scores, kind="stable"), bins)
    return [
        (float(scores[rows].mean()), float(labels[rows].mean()), len(rows))
        for rows in order
        if len(rows)
    ]
