"""Cut-overs, roll-backs, readers and workers at the same time: one version is live throughout."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from embeddings.errors import GateRefused, MoveRefused, NotReadyToServe
from embeddings.filling.loop import embed_pending
from embeddings.live import live_version
from embeddings.models import EntryState, IndexEntry, IndexVersion, VersionState
from embeddings.services.cutting_over import cut_over, roll_back
from kb.models import Article, Workspace
from tests.embeddings.switching import impatient
from tests.embeddings.versions import (
    ANNA,
    allowed,
    in_a_session,
    moves_of,
    put_in,
    ready,
    revisions_in,
    start,
)
from tests.factories import add_revision, live, make_article, make_workspace

__all__ = ["impatient"]
committed = pytest.mark.django_db(transaction=True)


@committed
def test_readers_see_one_live_version_at_every_moment() -> None:
    workspace = make_workspace()
    make_article(workspace)
    second = ready(workspace)
    first, stop = live(workspace), threading.Event()

    def read() -> list[list[int]]:
        seen = []
        while not stop.is_set():
            numbers = IndexVersion.objects.live().filter(workspace=workspace)
            seen.append(list(numbers.values_list("number", flat=True)))
        return seen

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(in_a_session, read)
        for _ in range(5):
            allowed(second, first)
            time.sleep(0.02)
            cut_over(second, actor=ANNA)
            time.sleep(0.02)
            roll_back(workspace, actor=ANNA)
        stop.set()
        seen = reading.result()
    assert all(len(numbers) == 1 for numbers in seen)
    assert {number for [number] in seen} == {1, 2}


def race(*steps: Callable[[], object]) -> list[object]:
    """What each returned or raised, all begun at the same moment in sessions of their own."""
    together = threading.Barrier(len(steps))

    def run(step: Callable[[], object]) -> object:
        together.wait(10)
        try:
            return step()
        except (MoveRefused, GateRefused, NotReadyToServe) as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(steps)) as pool:
        return [each.result() for each in [pool.submit(run, step) for step in steps]]


@committed
def test_two_candidates_at_once_leave_one_live() -> None:
    workspace = make_workspace()
    make_article(workspace)
    first, second = live(workspace), ready(workspace)
    third = put_in(start(workspace, "minilm"), VersionState.READY)
    IndexEntry.objects.filter(index_version=third).update(state=EntryState.EMBEDDED)
    allowed(second, first)
    allowed(third, first)
    outcomes = race(lambda: cut_over(second, actor=ANNA), lambda: cut_over(third, actor=ANNA))
    [won] = [each for each in outcomes if isinstance(each, IndexVersion)]
    [lost] = [each for each in outcomes if not isinstance(each, IndexVersion)]
    assert live_version(workspace) == won
    assert isinstance(lost, GateRefused)  # it was judged beside the version that was live then
    states = workspace.index_versions.values_list("state", flat=True)
    assert sorted(states) == ["live", "ready", "standby"]


@committed
def test_the_same_step_twice_at_once_is_made_once() -> None:
    workspace = make_workspace()
    second = ready(workspace)
    allowed(second, live(workspace))
    outcomes = race(*[lambda: cut_over(second, actor=ANNA)] * 2)
    assert sum(isinstance(each, MoveRefused) for each in outcomes) == 1
    assert moves_of(second).count("cut_over") == 1
    outcomes = race(*[lambda: roll_back(workspace, actor=ANNA, version=live_first(workspace))] * 2)
    assert sum(isinstance(each, MoveRefused) for each in outcomes) == 1
    assert live(workspace).number == 1


def live_first(workspace: Workspace) -> IndexVersion:
    return workspace.index_versions.get(number=1)


@committed
def test_workers_go_on_storing_while_it_happens() -> None:
    """Each takes locks of its own; none may wait for another in a circle."""
    workspace = make_workspace()
    for number in range(120):
        make_article(workspace, body=f"article {number}")
    second = ready(workspace)
    allowed(second, live(workspace))
    for article in Article.objects.filter(workspace=workspace):
        add_revision(article, body=f"Another body of {article.pk}.")
    outcomes = race(
        lambda: embed_pending(live_first(workspace)),
        lambda: embed_pending(second),
        lambda: cut_over(second, actor=ANNA, patience=30),
    )
    assert outcomes[2] == live_version(workspace) == second
    for version in (live_first(workspace), second):
        embed_pending(version)
        assert len(revisions_in(version)) == 120
