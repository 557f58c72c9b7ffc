"""The table of moves: every one that it has can be made, and no other."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from embeddings.errors import MoveRefused
from embeddings.lifecycle import (
    CANDIDATES,
    MOVES,
    RECEIVING,
    STORED,
    Move,
    VersionState,
    allowed_moves,
    diagram,
)
from embeddings.models import IndexVersion, VersionEvent
from embeddings.services.moving import Actor, make_move
from embeddings.services.versions import create_index_version
from embeddings.signals import version_moved
from kb.models import Workspace
from tests.embeddings.versions import ANNA, fresh, last_event, moves_of, put_in
from tests.factories import live, make_workspace

# Written out here too: a slip in the table must not pass.
LIFE = {
    ("building", "pause"): "paused",
    ("paused", "resume"): "building",
    ("building", "fail"): "failed",
    ("failed", "retry"): "building",
    ("building", "cancel"): "cancelled",
    ("paused", "cancel"): "cancelled",
    ("failed", "cancel"): "cancelled",
    ("ready", "cancel"): "cancelled",
    ("building", "finish"): "ready",
    ("ready", "cut_over"): "live",
    ("standby", "cut_over"): "live",
    ("live", "replace"): "standby",
    ("standby", "roll_back"): "live",
    ("ready", "retire"): "retired",
    ("standby", "retire"): "retired",
}
PAIRS = list(itertools.product(VersionState.values, Move.values))


@pytest.fixture
def candidate(workspace: Workspace) -> IndexVersion:
    """A second version of a workspace whose first one is out of the way."""
    put_in(live(workspace), VersionState.STANDBY)
    return create_index_version(workspace, encoder="hash-wide")


@pytest.mark.parametrize(("state", "move"), [pair for pair in PAIRS if pair in LIFE])
def test_move_of_the_table_is_made_and_written_down(
    candidate: IndexVersion, state: str, move: str
) -> None:
    put_in(candidate, VersionState(state))
    anna = User.objects.create(username="anna")
    before = timezone.now()
    moved = make_move(
        candidate,
        Move(move),
        actor=Actor(name="anna", user=anna),
        reason="It was time.",
        details={"articles": 3},
    )
    assert moved.state == fresh(candidate).state == LIFE[state, move]
    assert before <= moved.state_since <= timezone.now()
    event = last_event(candidate)
    assert (event.move, event.from_state, event.to_state) == (move, state, LIFE[state, move])
    assert (event.actor, event.user, event.reason) == ("anna", anna, "It was time.")
    assert event.details == {"articles": 3}
    assert event.created_at >= before


@pytest.mark.parametrize(("state", "move"), [pair for pair in PAIRS if pair not in LIFE])
def test_any_other_move_is_refused_and_changes_nothing(
    candidate: IndexVersion, state: str, move: str
) -> None:
    put_in(candidate, VersionState(state))
    before = IndexVersion.objects.filter(pk=candidate.pk).values().get()
    with pytest.raises(MoveRefused, match=f"Version 2 is {VersionState(state).label.lower()}:"):
        make_move(candidate, Move(move), actor=ANNA)
    assert IndexVersion.objects.filter(pk=candidate.pk).values().get() == before
    assert moves_of(candidate) == ["start"]


def test_the_table_is_all_there_is() -> None:
    assert {
        (str(source), str(move)): str(rule.target)
        for move, rule in MOVES.items()
        for source in rule.sources
    } == LIFE
    assert MOVES[Move.START].target == VersionState.BUILDING
    assert [str(move) for move in allowed_moves("standby")] == ["cut_over", "roll_back", "retire"]
    assert allowed_moves("retired") == allowed_moves("cancelled") == ()


def test_which_states_receive_keep_and_may_answer() -> None:
    assert {str(state) for state in RECEIVING} == {"building", "ready", "live", "standby"}
    assert set(VersionState) - set(STORED) == {VersionState.CANCELLED, VersionState.RETIRED}
    assert {str(state) for state in CANDIDATES} == {"ready", "live", "standby"}


def test_what_counts_is_the_state_under_the_lock(candidate: IndexVersion) -> None:
    stale = fresh(candidate)
    make_move(candidate, Move.CANCEL, actor=ANNA)
    assert stale.state == "building"
    with pytest.raises(MoveRefused, match="cancelled"):
        make_move(stale, Move.PAUSE, actor=ANNA)


def test_refusal_says_what_it_needs(candidate: IndexVersion) -> None:
    with pytest.raises(MoveRefused) as refusal:
        make_move(candidate, Move.CUT_OVER, actor=ANNA)
    assert str(refusal.value) == (
        "Version 2 is building: cut over needs one that is ready or standby."
    )
    with pytest.raises(MoveRefused, match="start needs one that is new"):
        make_move(candidate, Move.START, actor=ANNA)


def test_the_problem_is_that_of_the_last_failure(candidate: IndexVersion) -> None:
    assert make_move(candidate, Move.FAIL, actor=ANNA, reason="Too bad.").problem == "Too bad."
    assert make_move(candidate, Move.RETRY, actor=ANNA, reason="Mended.").problem == ""


def test_when_it_was_live_is_kept(candidate: IndexVersion) -> None:
    put_in(candidate, VersionState.READY)
    now_live = make_move(candidate, Move.CUT_OVER, actor=ANNA)
    assert now_live.live_since is not None
    assert now_live.live_until is None
    assert timezone.now() - now_live.live_since < timedelta(seconds=30)
    replaced = make_move(candidate, Move.REPLACE, actor=ANNA)
    assert replaced.live_since == now_live.live_since
    assert replaced.live_until == replaced.state_since


def test_one_is_live_per_workspace_and_the_database_sees_to_it(workspace: Workspace) -> None:
    second = create_index_version(workspace, encoder="hash-wide", state=VersionState.READY)
    with pytest.raises(IntegrityError, match="one_live_index_version"), transaction.atomic():
        make_move(second, Move.CUT_OVER, actor=ANNA)
    assert fresh(second).state == VersionState.READY
    assert moves_of(second) == ["start"]
    make_workspace()  # another one has its own
    assert IndexVersion.objects.live().count() == 2


def test_a_move_is_told_after_the_commit_and_a_bad_listener_harms_nobody(
    candidate: IndexVersion, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    told: list[tuple[VersionEvent, int]] = []

    def bad(**_: Any) -> None:
        raise RuntimeError("not today")

    def good(event: VersionEvent, workspace_id: int, **_: Any) -> None:
        told.append((event, workspace_id))

    version_moved.connect(bad)
    version_moved.connect(good)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            make_move(candidate, Move.PAUSE, actor=ANNA)
            assert told == []
        assert told == [(last_event(candidate), candidate.workspace_id)]
    finally:
        version_moved.disconnect(bad)
        version_moved.disconnect(good)


def test_the_diagram_has_every_move_and_where_lives_begin_and_end() -> None:
    lines = diagram().splitlines()
    assert lines[0] == "stateDiagram-v2"
    drawn = {line.strip() for line in lines[1:]}
    moves = {f"{old} --> {new}: {move.replace('_', ' ')}" for (old, move), new in LIFE.items()}
    ends = {"cancelled --> [*]", "retired --> [*]"}
    assert drawn == moves | ends | {"[*] --> building: start"}
