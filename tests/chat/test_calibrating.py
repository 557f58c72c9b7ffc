"""Fitting the confidence, and judging it on what it was not fitted to."""

from __future__ import annotations

import numpy as np
import pytest

from chat.answering.confidence import COEFFICIENTS, confidence
from chat.evaluation.calibrating import (
    cross_validate,
    curves_of,
    figures_of,
    fit_sample,
    judge_halves,
    sample_of,
)
from chat.models import QuestionOutcome
from kb.errors import Conflict
from tests.chat.fitting import FIRST, NAMES, as_shipped, judged_outcomes


def test_a_fit_finds_what_decides() -> None:
    sample = sample_of(judged_outcomes(400))
    found = fit_sample(sample)
    assert set(found) == {"bias", *NAMES}
    assert all(found[FIRST] > 3 * abs(found[name]) for name in NAMES if name != FIRST)
    shipped, fitted = sample.scored(COEFFICIENTS), cross_validate(sample)
    before, after = figures_of(shipped), figures_of(fitted)
    assert after["auroc_right"] > before["auroc_right"] + 0.05
    assert after["log_loss"] < before["log_loss"]
    assert after["calibration_error"] < before["calibration_error"]


def test_scores_are_those_of_the_product() -> None:
    outcomes = judged_outcomes(30)
    scores = sample_of(outcomes).scored(COEFFICIENTS).scores
    assert scores == pytest.approx([confidence(each.evidence) for each in outcomes])


def test_cross_validation_never_judges_what_it_was_fitted_to() -> None:
    chance = np.random.default_rng(7)
    outcomes = judged_outcomes(100, lambda _, luck: luck > 0.5)
    for each in outcomes:
        # As many features as questions could be learnt by heart.
        each.evidence |= {f"noise {n}": float(chance.random()) for n in range(60)}
    sample = sample_of(outcomes)
    learnt = figures_of(sample.scored(fit_sample(sample)))
    judged = figures_of(cross_validate(sample))
    assert learnt["auroc_right"] > 0.85
    assert judged["auroc_right"] < 0.65


def test_what_could_not_be_quoted_is_never_answered_and_not_fitted_to() -> None:
    outcomes = judged_outcomes(100)
    plain = fit_sample(sample_of(outcomes))
    silent = QuestionOutcome(
        key="silent", evidence=dict.fromkeys(NAMES, 1.0), confidence=0.0, right=None, latency_ms=1
    )
    sample = sample_of([*outcomes, silent])
    assert fit_sample(sample) == pytest.approx(plain)
    assert sample.scored(COEFFICIENTS).scores[-1] == 0.0
    assert cross_validate(sample).scores[-1] == 0.0
    curves = curves_of(cross_validate(sample))
    assert curves["curve"][-1][1] == pytest.approx(100 / 101, abs=1e-4)
    assert sum(count for _, _, count in curves["reliability"]) == 100


@pytest.mark.parametrize("label", ["right", "answerable"])
def test_halves_are_judged_by_the_other(label: str) -> None:
    figures = judge_halves(judged_outcomes(300), label=label)  # type: ignore[arg-type]
    assert (figures["label"], figures["questions"], figures["halves"]) == (label, 300, 20)
    for kind in ("shipped", "fitted"):
        found = figures[kind]
        assert 0.5 < found["auroc_answerable"] <= 1
        assert 0 <= found["calibration_error"] <= 1
        assert found["at_5_percent_wrong"]["wrong"] <= 0.05
        assert found["spread"]["auroc_right"] >= 0
        assert set(found["carried"]) == {"threshold", "answered", "wrong", "declined"}
    shipped, fitted = figures["shipped"], figures["fitted"]
    assert fitted["auroc_right"] > shipped["auroc_right"]
    assert fitted["at_5_percent_wrong"]["answered"] > shipped["at_5_percent_wrong"]["answered"]
    assert judge_halves(judged_outcomes(300), label=label) == figures  # type: ignore[arg-type]


def test_a_good_confidence_is_not_made_worse_by_much() -> None:
    figures = judge_halves(judged_outcomes(400, as_shipped), label="right")
    shipped, fitted = figures["shipped"], figures["fitted"]
    assert fitted["auroc_right"] == pytest.approx(shipped["auroc_right"], abs=0.05)
    assert fitted["log_loss"] == pytest.approx(shipped["log_loss"], abs=0.05)


def test_halves_without_both_kinds_give_no_figures() -> None:
    figures = judge_halves(judged_outcomes(20, lambda *_: True), label="right")
    assert figures == {"label": "right", "questions": 20, "halves": 0}


def test_evidence_that_is_not_todays_is_refused() -> None:
    old = judged_outcomes(3)
    for each in old:
        each.evidence = {"forgotten": 1.0}
    mixed = judged_outcomes(3)
    mixed[1].evidence = {**mixed[1].evidence, "extra": 1.0}
    unasked = judged_outcomes(3)
    for each in unasked:
        each.confidence = None
    for outcomes in (old, mixed, unasked, []):
        with pytest.raises(Conflict, match="start a new run with answers"):
            sample_of(outcomes)
