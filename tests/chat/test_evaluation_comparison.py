"""Two runs compared: intervals that hold what they should, and who got better and worse."""

from __future__ import annotations

import numpy as np
import pytest

from chat.evaluation.comparison import SHOWN_QUESTIONS, bootstrap, compare
from chat.models import QuestionOutcome


def outcome(key: str, ndcg: float, **given: object) -> QuestionOutcome:
    return QuestionOutcome(
        key=key,
        text=f"question {key}",
        latency_ms=1,
        measures={"fused": {"ndcg@10": ndcg}, "passage": {"ndcg@10": 0.1}},
        **given,
    )


def test_differences_are_paired_over_the_shared_questions() -> None:
    first = [outcome("a", 0.5, rank=2), outcome("b", 1.0, rank=1), outcome("only", 1.0)]
    second = [outcome("b", 0.5, rank=3), outcome("a", 1.0, rank=1), outcome("new", 0.0)]
    found = compare(first, second)
    assert found.shared == 2
    [difference] = found.differences
    assert (difference.first, difference.second, difference.difference) == (0.75, 0.75, 0.0)
    assert (difference.low, difference.high) == (-0.5, 0.5)
    assert (difference.verdict, difference.questions) == ("no clear difference", 2)
    [better], [worse] = found.better, found.worse
    assert (better.key, better.first_rank, better.second_rank) == ("a", 2, 1)
    assert (worse.key, worse.difference) == ("b", -0.5)
    assert found.as_json()["differences"]["ndcg@10"]["verdict"] == "no clear difference"


def test_a_clear_difference_is_called_so_either_way() -> None:
    first = [outcome(str(n), 0.4 + n % 3 / 10) for n in range(60)]
    second = [outcome(str(n), 0.7) for n in range(60)]
    assert compare(first, second).differences[0].verdict == "better"
    assert compare(second, first).differences[0].verdict == "worse"
    assert compare(first, first).differences[0].verdict == "no clear difference"
    lists = compare(first, second)
    assert (len(lists.better), lists.better_count) == (SHOWN_QUESTIONS, 60)
    assert lists.better[0].difference >= lists.better[-1].difference


def test_a_measure_counts_where_both_runs_have_it() -> None:
    answered = {"confidence": 0.9, "answered": True, "right": True, "span_found": True}
    first = [outcome("a", 1.0, **answered), outcome("b", 1.0)]
    second = [outcome("a", 1.0, **answered | {"right": False}), outcome("b", 1.0, span_found=True)]
    found = {each.measure: each for each in compare(first, second).differences}
    assert found["ndcg@10"].questions == 2
    assert (found["span_recall"].questions, found["span_recall"].difference) == (1, 0.0)
    assert (found["answered_right"].first, found["answered_right"].second) == (1.0, 0.0)


def test_nothing_shared_is_no_error() -> None:
    found = compare([outcome("a", 1.0)], [outcome("b", 1.0), outcome("a", 1.0, hidden=True)])
    assert (found.shared, found.differences, found.better) == (0, (), ())


def test_the_interval_is_that_of_the_mean_and_always_the_same() -> None:
    chance = np.random.default_rng(1)
    values = chance.normal(0.1, 0.5, size=(400, 1))
    low, high = bootstrap(values)
    error = values.std() / np.sqrt(400)
    assert low[0] == pytest.approx(values.mean() - 1.96 * error, abs=0.01)
    assert high[0] == pytest.approx(values.mean() + 1.96 * error, abs=0.01)
    again = bootstrap(values)
    assert (low[0], high[0]) == (again[0][0], again[1][0])
    gaps = np.concatenate([values, np.full((400, 1), np.nan)])
    assert bootstrap(gaps)[0][0] == pytest.approx(low[0], abs=0.01)


def test_a_question_whose_words_changed_is_another() -> None:
    changed = outcome("a", 1.0)
    changed.text = "another question"
    assert compare([outcome("a", 0.5), outcome("b", 0.5)], [changed, outcome("b", 1.0)]).shared == 1
