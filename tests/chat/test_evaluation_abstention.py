"""Risk and coverage on cases worked out by hand, and on any case at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.evaluation.abstention import abstention, auroc
from chat.models import QuestionOutcome


def outcome(
    confidence: float | None, right: bool | None, answerable: bool = True
) -> QuestionOutcome:
    return QuestionOutcome(
        key="q", text="q", latency_ms=1, confidence=confidence, right=right, answerable=answerable
    )


def test_a_case_by_hand() -> None:
    found = abstention(
        [
            outcome(0.9, True),
            outcome(0.8, True),
            outcome(0.7, False, answerable=False),
            outcome(0.6, True),
            outcome(0.0, None),  # nothing to quote: never answered
        ],
        threshold=0.65,
    )
    assert (found["questions"], found["answerable"], found["unanswerable"]) == (5, 4, 1)
    assert found["profile"] == {
        "threshold": 0.65, "answered": 0.5, "wrong": 0.3333, "declined": 0.0,
    }  # fmt: skip
    assert found["at_5_percent_wrong"] == {
        "threshold": 0.8, "answered": 0.5, "wrong": 0.0, "declined": 1.0,
    }  # fmt: skip
    assert found["curve"] == [
        [0.9, 0.2, 0.0], [0.8, 0.4, 0.0], [0.7, 0.6, 0.3333], [0.6, 0.8, 0.25],
    ]  # fmt: skip
    assert found["aurc"] == pytest.approx((0 + 0 + 1 / 3 + 1 / 4) / 4, abs=1e-4)
    assert found["auroc"] == 0.5  # 0.9 and 0.8 above the unanswerable one, 0.6 and 0 below


def test_ties_are_answered_together() -> None:
    found = abstention([outcome(0.5, True), outcome(0.5, False), outcome(0.5, True)], threshold=1)
    assert found["curve"] == [[0.5, 1.0, 0.3333]]
    assert found["at_5_percent_wrong"]["answered"] == 0.0
    assert found["at_5_percent_wrong"]["threshold"] is None


def test_without_answers_or_unanswerable_questions() -> None:
    assert abstention([outcome(None, None)], threshold=0.5) == {}
    found = abstention([outcome(0.5, True)], threshold=0.5)
    assert (found["auroc"], found["profile"]["declined"]) == (None, None)
    silent = abstention([outcome(0.0, None)], threshold=0.0)
    assert (silent["curve"], silent["aurc"], silent["profile"]["wrong"]) == ([], None, None)


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), st.booleans(), st.booleans()),
        min_size=1,
        max_size=300,
    )
)
def test_every_curve_is_in_order_and_keeps_its_promise(
    cases: list[tuple[float, bool, bool]],
) -> None:
    outcomes = [outcome(c, right and able, answerable=able) for c, right, able in cases]
    found = abstention(outcomes, threshold=0.5)
    thresholds, coverages, risks = zip(*found["curve"], strict=True)
    assert list(thresholds) == sorted(set(thresholds), reverse=True)
    assert list(coverages) == sorted(coverages)
    assert coverages[-1] == 1.0
    assert all(0 <= risk <= 1 for risk in risks)
    wrong = found["at_5_percent_wrong"]["wrong"]
    assert wrong is None or wrong <= 0.05


def test_auroc_counts_ties_half() -> None:
    scores = np.array([0.5, 0.5, 0.9, 0.1])
    assert auroc(np.array([True, False, True, False]), scores) == pytest.approx(7 / 8)
