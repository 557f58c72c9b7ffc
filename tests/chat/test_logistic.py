"""The arithmetic that the shipped confidence was fitted with (benchmarks/logistic.py)."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.logistic import auroc, calibration_error, fit, operating_points, probability

CHANCE = np.random.default_rng(1)


def test_fit_finds_the_coefficients_that_made_the_labels() -> None:
    features = CHANCE.normal(size=(5000, 2))
    true = np.array([-0.5, 2.0, -1.0])
    labels = (CHANCE.random(5000) < probability(features, true)).astype(float)
    found = fit(features, labels, np.ones(5000), ridge=0.01)
    assert found == pytest.approx(true, abs=0.2)
    assert calibration_error(labels, probability(features, found)) < 0.04


def test_weights_count_rows_more_than_once() -> None:
    features = CHANCE.normal(size=(200, 1))
    labels = (features[:, 0] + CHANCE.normal(size=200) > 0).astype(float)
    twice = fit(np.vstack([features, features]), np.hstack([labels, labels]), np.ones(400))
    assert fit(features, labels, np.full(200, 2.0)) == pytest.approx(twice, abs=1e-6)


def test_separable_labels_stay_finite() -> None:
    features = np.array([[0.0], [1.0]])
    assert np.isfinite(fit(features, np.array([0.0, 1.0]), np.ones(2))).all()


@pytest.mark.parametrize(
    ("labels", "scores", "expected"),
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], 1.0),
        ([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4], 0.0),
        ([0, 1], [0.5, 0.5], 0.5),
        ([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], 0.75),
    ],
)
def test_auroc(labels: list[int], scores: list[float], expected: float) -> None:
    assert auroc(np.array(labels), np.array(scores)) == expected


def test_auroc_of_one_kind_alone_is_undefined() -> None:
    assert np.isnan(auroc(np.ones(3), np.arange(3.0)))


def test_operating_points() -> None:
    correct = np.array([1.0, 0.0, 0.0, 1.0])
    answerable = np.array([1.0, 1.0, 0.0, 1.0])
    scores = np.array([0.9, 0.6, 0.7, 0.2])
    [point] = operating_points(correct, answerable, scores, np.array([0.5]))
    assert point.answered == pytest.approx(2 / 3)
    assert point.wrong == pytest.approx(2 / 3)
    assert point.declined == 0.0
