"""The pacer keeps a plan within any minute, on a clock of its own."""

from __future__ import annotations

import threading
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings.encoders.api.pacing import PLANS, WINDOW_SECONDS, Pacer
from embeddings.errors import EncoderUnavailable


class Clock:
    """Time passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds


def paced(clock: Clock, *, requests: float = 1e9, tokens: float = 1e9, at_once: int = 4) -> Pacer:
    return Pacer(
        requests_per_minute=requests,
        tokens_per_minute=tokens,
        concurrency=at_once,
        clock=clock,
        sleep=clock.sleep,
    )


@given(
    costs=st.lists(st.integers(0, 120), min_size=1, max_size=60),
    pauses=st.lists(st.floats(0, 30), min_size=60, max_size=60),
    requests=st.integers(1, 10),
)
def test_plan_is_kept_within_any_minute(
    costs: list[int], pauses: list[float], requests: int
) -> None:
    clock, sent = Clock(), deque[tuple[float, int]]()
    pacer = paced(clock, requests=requests, tokens=100)
    for cost, pause in zip(costs, pauses, strict=False):
        with pacer.request(cost) as turn:
            sent.append((clock.now, cost))
            turn.answered({}, cost)
        minute = [tokens for at, tokens in sent if at > clock.now - 60]
        assert len(minute) <= requests
        assert sum(minute) <= 100 or len(minute) == 1
        clock.now += pause


def test_request_over_the_whole_plan_goes_alone() -> None:
    clock = Clock()
    pacer = paced(clock, tokens=100)
    with pacer.request(10):
        pass
    with pacer.request(5000):
        pass
    assert clock.slept == [WINDOW_SECONDS]


def test_real_usage_takes_the_place_of_the_estimate() -> None:
    clock = Clock()
    pacer = paced(clock, tokens=100)
    with pacer.request(90) as turn:
        turn.answered({}, 20)
    with pacer.request(80):
        pass
    assert clock.slept == []
    with pacer.request(1):
        pass
    assert clock.slept == [WINDOW_SECONDS]


def test_what_others_spend_with_the_same_account_counts() -> None:
    clock = Clock()
    pacer = paced(clock, requests=10, tokens=100)
    with pacer.request(5) as turn:
        turn.answered({"X-RateLimit-Remaining-Requests": "0"}, 5)
    with pacer.request(5) as turn:
        turn.answered({"X-RateLimit-Remaining-Tokens": "3"}, 5)
    assert clock.slept == [WINDOW_SECONDS]
    with pacer.request(50):
        pass
    assert len(clock.slept) == 2


def test_servers_own_view_of_our_requests_is_not_counted_twice() -> None:
    clock = Clock()
    pacer = paced(clock, requests=10)
    for sent in range(10):
        with pacer.request(1) as turn:
            turn.answered({"X-RateLimit-Remaining-Requests": str(9 - sent)}, 1)
    assert clock.slept == []


@pytest.mark.parametrize("value", ["", "many", "nan", "inf", "-inf", "999999"])
def test_odd_headers_change_nothing(value: str) -> None:
    clock = Clock()
    pacer = paced(clock, requests=3, tokens=100)
    for _ in range(3):
        with pacer.request(1) as turn:
            turn.answered({"X-RateLimit-Remaining-Requests": value}, None)
    assert clock.slept == []


def test_hold_keeps_everybody_waiting() -> None:
    clock = Clock()
    pacer = paced(clock)
    pacer.hold(7.5)
    with pacer.request(1):
        assert clock.now == 1007.5


def test_hour_that_the_server_asks_for_is_not_slept_through() -> None:
    clock = Clock()
    pacer = paced(clock)
    pacer.hold(3600)
    with pytest.raises(EncoderUnavailable, match="3600 seconds"), pacer.request(1):
        pass
    assert clock.slept == []


def test_impatient_request_is_told_rather_than_kept() -> None:
    clock = Clock()
    pacer = paced(clock, requests=1)
    with pacer.request(1):
        pass
    with (
        pytest.raises(EncoderUnavailable, match="used up for 61 seconds"),
        pacer.request(1, patience=10),
    ):
        pass
    assert clock.slept == []


def test_no_more_at_once_than_the_plan_allows() -> None:
    pacer = paced(Clock(), at_once=2)
    inside, most, gate = [0], [0], threading.Lock()
    ready = threading.Barrier(2, timeout=5)

    def work() -> None:
        with pacer.request(1):
            with gate:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            ready.wait()
            with gate:
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [2]


def test_seat_is_given_back_after_an_error() -> None:
    pacer = paced(Clock(), at_once=1)
    for _ in range(3):
        with pytest.raises(RuntimeError), pacer.request(1):
            raise RuntimeError
    with pacer.request(1), pytest.raises(EncoderUnavailable, match="Too many"):
        pacer.request(1, patience=0.01).__enter__()


def test_plans_are_those_of_the_price_list() -> None:
    figures = {
        name: (plan.requests_per_minute, plan.tokens_per_minute, plan.concurrency)
        for name, plan in PLANS.items()
    }
    assert figures == {
        "free": (500, 1_000_000, 5),
        "tier1": (500, 10_000_000, 50),
        "tier2": (5_000, 100_000_000, 500),
    }
