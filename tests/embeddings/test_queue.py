"""The queue of forward passes: order, merging, and nobody failing for another's text."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from embeddings.encoders.base import Task
from embeddings.encoders.queue import ForwardQueue, Job

TASK = Task.RETRIEVAL_QUERY


def job(*ids: int) -> Job:
    """A job whose head is not used here."""
    return Job(ids=ids, task=TASK, head=lambda states, _: states)


class Recorder:
    """A forward function that notes its batches and can be held."""

    def __init__(self) -> None:
        self.batches: list[list[tuple[int, ...]]] = []
        self.entered, self.go = threading.Event(), threading.Event()

    def __call__(self, jobs: Sequence[Job]) -> list[int]:
        self.batches.append([tuple(each.ids) for each in jobs])
        self.entered.set()
        assert self.go.wait(10)
        if any(13 in each.ids for each in jobs):
            raise ValueError("unlucky")
        return [sum(each.ids) for each in jobs]


@pytest.fixture
def recorder() -> Recorder:
    """Held until `go` is set."""
    return Recorder()


def one_lane(recorder: Recorder, *, budget: int = 8) -> ForwardQueue:
    """A queue whose every pass the test sees."""
    return ForwardQueue(recorder, budget=budget, lanes=1, lane_threads=1)


def test_outputs_come_in_the_order_of_the_jobs(recorder: Recorder) -> None:
    recorder.go.set()
    queue = one_lane(recorder)
    jobs = [job(*range(size)) for size in (3, 1, 7, 2, 8, 5)]
    expected = [sum(each.ids) for each in jobs]
    assert queue.run(jobs, urgent=False) == expected
    assert queue.run([job(*each.ids) for each in jobs], urgent=True) == expected
    assert all(max(map(len, batch)) * len(batch) <= 8 for batch in recorder.batches)


def test_a_question_overtakes_bulk_work(recorder: Recorder) -> None:
    queue = one_lane(recorder)
    bulk = [job(0, 0, 0, 0, 0, 0, 0, number) for number in range(5)]
    queue.submit(bulk, urgent=False)
    assert recorder.entered.wait(10)  # the first slice runs
    question = job(1, 2)
    queue.submit([question], urgent=True)
    recorder.go.set()
    assert question.done.result(10) == 3
    assert [each.done.result(10) for each in bulk] == [0, 1, 2, 3, 4]
    assert recorder.batches[1] == [(1, 2)]


def test_questions_that_arrive_together_share_a_batch(recorder: Recorder) -> None:
    queue = one_lane(recorder)
    blocker = job(9)
    queue.submit([blocker], urgent=True)
    assert recorder.entered.wait(10)
    with ThreadPoolExecutor(4) as people:
        asked = [people.submit(queue.run, [job(n)], urgent=True) for n in range(4)]
        while queue.waiting < 4:
            threading.Event().wait(0.01)
        recorder.go.set()
        assert [answer.result(10) for answer in asked] == [[0], [1], [2], [3]]
    assert len(recorder.batches) == 2
    assert sorted(recorder.batches[1]) == [(0,), (1,), (2,), (3,)]


def test_one_bad_text_fails_alone(recorder: Recorder) -> None:
    recorder.go.set()
    queue = one_lane(recorder)
    jobs = [job(1), job(13), job(3)]
    queue.submit(jobs, urgent=False)
    assert jobs[0].done.result(10) == 1
    assert jobs[2].done.result(10) == 3
    with pytest.raises(ValueError, match="unlucky"):
        jobs[1].done.result(10)


def test_nothing_to_do_is_no_work(recorder: Recorder) -> None:
    assert one_lane(recorder).run([], urgent=True) == []
    assert recorder.batches == []
