"""The re-embedding benchmark's own parts: what it sends, what it counts, when it says no."""

from __future__ import annotations

import time

import httpx
import pytest

from benchmarks.reembed.__main__ import _kept
from benchmarks.reembed.load import Asked, Load, spread
from benchmarks.reembed.site import recomposed


def test_load_goes_on_at_its_rate_while_answers_are_slow() -> None:
    def slow(number: int) -> int:
        time.sleep(0.3)
        return 200 if number % 2 else 503

    load = Load(slow, rate=50.0)
    began = time.monotonic()
    with load.running():
        time.sleep(0.5)
    assert time.monotonic() - began >= 0.5
    assert 20 <= len(load.asked) <= 30
    assert all(each.milliseconds >= 300 for each in load.asked)
    found = spread(load.asked)
    assert found["requests"] == len(load.asked)
    assert found["failed"] == sum(each.status == 503 for each in load.asked) > 0


def test_waiting_for_a_free_thread_counts_as_waiting() -> None:
    """Coordinated omission would hide it: the time is counted from when a request was due."""

    def stuck(number: int) -> int:
        time.sleep(0.4 if number < 64 else 0.0)
        return 200

    load = Load(stuck, rate=400.0)
    with load.running():
        time.sleep(0.3)
    late = sorted(load.asked, key=lambda each: each.due)[64]
    assert late.milliseconds > 100


def test_no_answer_is_a_failure() -> None:
    def away(number: int) -> int:
        raise httpx.ConnectError(f"away {number}")

    load = Load(away, rate=20.0)
    with load.running():
        time.sleep(0.2)
    assert {each.status for each in load.asked} == {0}
    assert spread(load.asked)["failed"] == len(load.asked)


def test_span_is_cut_out_by_when_requests_were_due() -> None:
    load = Load(lambda _: 200, rate=1.0)
    load.asked = [Asked(due=due, milliseconds=1.0, status=200) for due in (1.0, 2.0, 3.0)]
    assert [each.due for each in load.between(2.0, 3.0)] == [2.0]


@pytest.mark.parametrize(
    ("figures", "kept"),
    [
        ({"kept": True}, True),
        ({"kept": False}, False),
        ({"retiring": {"kept": True}, "creating": {"kept": False}}, False),
        ({"kept": True, "cut_over": {"kept": True}}, True),
    ],
)
def test_one_broken_limit_is_enough(figures: dict[str, object], kept: bool) -> None:
    assert _kept(figures) is kept


def test_articles_are_of_a_size_and_all_different() -> None:
    made = list(recomposed(50))
    assert len({item.body for item in made}) == 50
    assert all(3_000 <= len(item.body) < 8_000 for item in made)
    assert [item.body for item in made] == [item.body for item in recomposed(50)]
