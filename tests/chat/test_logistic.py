"""The arithmetic that a confidence is fitted with."""

from __future__ import annotations

import numpy as np
import pytest

from chat.evaluation.logistic import (
    calibration_error,
    fit,
    fit_standardised,
    log_loss,
    probability,
    reliability,
)

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


def test_the_scale_of_a_feature_does_not_matter() -> None:
    features = CHANCE.normal(size=(300, 2))
    labels = (features[:, 0] + CHANCE.normal(size=300) > 0).astype(float)
    plain = fit_standardised(features, labels)
    stretched = fit_standardised(features * [1000.0, 0.001] + 5.0, labels)
    assert probability(features, plain) == pytest.approx(
        probability(features * [1000.0, 0.001] + 5.0, stretched), abs=1e-6
    )
    assert plain[1] > 5 * abs(plain[2])


def test_a_feature_that_never_varies_gets_no_coefficient() -> None:
    features = np.column_stack([CHANCE.normal(size=100), np.full(100, 0.7)])
    labels = (features[:, 0] > 0).astype(float)
    found = fit_standardised(features, labels)
    assert found[2] == 0.0
    assert np.isfinite(found).all()


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_labels_of_one_kind_alone_stay_finite(label: float) -> None:
    features = CHANCE.normal(size=(20, 2))
    found = fit_standardised(features, np.full(20, label))
    assert np.isfinite(found).all()
    assert probability(features, found) == pytest.approx(np.full(20, label), abs=0.01)


def test_log_loss_is_lowest_for_the_true_probability() -> None:
    scores = CHANCE.random(5000)
    labels = (CHANCE.random(5000) < scores).astype(float)
    assert log_loss(labels, scores) < log_loss(labels, np.full(5000, 0.5))
    assert log_loss(labels, scores) < log_loss(labels, scores**2)
    assert np.isfinite(log_loss(np.array([0.0, 1.0]), np.array([1.0, 0.0])))


def test_reliability_by_hand() -> None:
    labels, scores = np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.2, 0.7, 0.4])
    assert reliability(labels, scores, bins=2) == [
        pytest.approx((0.3, 0.0, 2)), pytest.approx((0.8, 1.0, 2)),
    ]  # fmt: skip
    assert calibration_error(labels, scores, bins=2) == pytest.approx((0.3 + 0.2) / 2)
    assert len(reliability(labels, scores, bins=10)) == 4
