"""The model is changed under load, while everything that can go down does: no question is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pytest_django import Settings

from config.encoders import read_encoders
from embeddings.lifecycle import RECEIVING, Move
from embeddings.models import IndexEntry, IndexVersion, VersionEvent, VersionState
from kb.models import Article, Workspace
from kb.services import create_api_key
from kb.signals import articles_changed
from tests.checkpoints.jina_v2 import write_jina_v2
from tests.factories import live, make_article
from tests.journeys.articles import sample_questions, shuffled
from tests.journeys.editing import Editor, Log
from tests.journeys.figures import Figures, figures
from tests.journeys.judging import (
    answered_by_another,
    assert_identities,
    assert_traces_agree,
    failed,
    lost_writes,
    recompute_scores,
    stale,
)
from tests.journeys.load import Asked, Load
from tests.journeys.processes import Fleet, free_port, wait_until_alive
from tests.journeys.searchable import assert_each_once_and_none_stale
from tests.journeys.switching import BACK, JOURNEY, LAST_KILLS, OVERRIDE, Size, Switch

pytestmark = [pytest.mark.processes, pytest.mark.slow]

WEB_PROCESSES = 2
ASKING_KEYS = 20  # each may ask 120 questions a minute
TINY = "tiny"
SMALL = Size(
    articles=200,
    characters=1_000,
    workers=1,
    kills=3,
    kill_each_seconds=1,
    tokens_per_second=6_000,
    questions_per_second=5,
    edits_per_second=1.5,
    away_seconds=11,
    calm_seconds=6,
    patience=150,
)
FULL = Size(
    articles=2_000,
    characters=1_000,
    workers=2,
    kills=10,
    kill_each_seconds=12,
    tokens_per_second=8_000,
    questions_per_second=20,
    edits_per_second=1.5,
    away_seconds=25,
    calm_seconds=40,
    patience=1_500,
)


@pytest.fixture
def encoders(fleet: Fleet, settings: Settings, tmp_path: Path) -> None:
    """Another model beside MiniLM, 32 dimensions small, for us and for every process."""
    checkpoint = write_jina_v2(tmp_path / "checkpoint")
    file = tmp_path / "encoders.toml"
    file.write_text(f'[{TINY}]\nfamily = "jina-v2"\ncheckpoint = "{checkpoint}"\n')
    settings.ENCODERS = {**settings.ENCODERS, **read_encoders(file)}
    # Many processes share the machine's cores; the pool is what production has.
    fleet.env |= {"ENCODERS_FILE": str(file), "ENCODER_THREADS": "1", "DATABASE_POOL": "1"}


@pytest.fixture
def urls(fleet: Fleet, encoders: None, workspace: Workspace) -> list[str]:  # noqa: ARG001 - in this order
    """Web servers that will be up."""
    ports = [free_port() for _ in range(WEB_PROCESSES)]
    for port in ports:
        fleet.web(port)
    return [f"http://127.0.0.1:{port}" for port in ports]


def publish(workspace: Workspace, bodies: list[str]) -> dict[int, int]:
    """Article id -> published revision, of as many articles; the workers are told."""
    made = [
        make_article(workspace, title=f"Case {number}", body=body)
        for number, body in enumerate(bodies)
    ]
    ids = [article.pk for article in made]
    articles_changed.send(None, workspace_id=workspace.pk, article_ids=ids, bulk=True)
    return dict(Article.objects.published().values_list("pk", "published_revision_id"))


def asking(workspace: Workspace, urls: list[str], *, per_second: float) -> Load:
    """Visitors, of as many keys as their rate limit asks for."""
    for url in urls:
        wait_until_alive(url)
    scopes = ["retrieve", "chat"]
    tokens = [
        create_api_key(workspace, name=f"visitors {number}", scopes=scopes)[1]
        for number in range(ASKING_KEYS)
    ]
    return Load(urls, tokens=tokens, questions=sample_questions(), per_second=per_second)


def writing(
    workspace: Workspace, url: str, published: dict[int, int], bodies: list[str], **pace: float
) -> Editor:
    """Somebody with a key who edits."""
    scopes = ["articles:write", "articles:publish"]
    _, token = create_api_key(workspace, name="editor", scopes=scopes)
    return Editor(url, token=token, published=published, bodies=bodies, **pace)


@contextmanager
def running(*parts: Load | Editor) -> Iterator[None]:
    """They end with the block, however it ends."""
    for part in parts:
        part.start()
    try:
        yield
    finally:
        for part in parts:
            part.end()


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(SMALL, id="small", marks=pytest.mark.timeout(600)),
        pytest.param(FULL, id="full", marks=[pytest.mark.long, pytest.mark.timeout(5400)]),
    ],
)
def test_another_model_goes_live_and_back_without_losing_a_question(
    size: Size, workspace: Workspace, fleet: Fleet, urls: list[str]
) -> None:
    bodies = shuffled(size.articles, characters=size.characters)
    published = publish(workspace, bodies)
    switch = Switch(workspace=workspace, fleet=fleet, size=size, encoder=TINY)
    old = switch.fill_first_version()
    load = asking(workspace, urls, per_second=size.questions_per_second)
    editor = writing(workspace, urls[0], published, bodies, per_second=size.edits_per_second)
    with running(load, editor):
        new = switch.build()
        switch.cut_over(new)
        assert live(workspace) == new
        switch.roll_back()
        assert live(workspace) == old
        log = editor.stop()
        switch.settle([old, new])
        asked = load.stop()
    told = figures(switch, asked, log)
    print(f"\n{told}")  # noqa: T201 - the figures of the full journey are noted
    assert_nothing_was_lost(switch, asked, log)
    assert_right_versions_were_asked(switch, asked, old, new)
    for version in (old, new):
        assert_each_once_and_none_stale(version)
        assert recompute_scores(version) >= 20
    assert_life_is_written_down(old, new)
    assert_enough_happened(told, size)


def assert_nothing_was_lost(switch: Switch, asked: list[Asked], log: Log) -> None:
    """Each question has its answer and each write its effect, and nothing that was over is cited.
    The first of those that are amiss are shown."""
    assert not failed(asked, away=switch.away)[:3]
    assert not lost_writes(log, away=switch.away)[:3]
    assert not stale(asked, log)[:3]


def assert_right_versions_were_asked(
    switch: Switch, asked: list[Asked], old: IndexVersion, new: IndexVersion
) -> None:
    """By answers and traces: the live one of that moment, with its own encoder."""
    spans = {"switched": switch.switched, "returned": switch.returned}
    assert not answered_by_another(asked, old=old, new=new, **spans)[:3]
    assert_identities(asked, [old, new])
    assert_traces_agree(asked)


def assert_life_is_written_down(old: IndexVersion, new: IndexVersion) -> None:
    """Each move with who and why; nobody else's, and nothing was parked on the way."""
    moves = VersionEvent.objects.filter(version=new).order_by("pk")
    assert [each.move for each in moves] == [Move.START, Move.FINISH, Move.CUT_OVER, Move.REPLACE]
    through = moves.get(move=Move.CUT_OVER)
    assert (through.actor, through.reason) == (JOURNEY.name, OVERRIDE)
    assert through.details["override"] == OVERRIDE
    assert through.details["from"] == old.number
    back = VersionEvent.objects.get(version=old, move=Move.ROLL_BACK)
    assert (back.actor, back.reason) == (JOURNEY.name, BACK)
    states = IndexVersion.objects.values_list("pk", "state")
    assert dict(states) == {old.pk: VersionState.LIVE, new.pk: VersionState.STANDBY}
    assert {VersionState.LIVE, VersionState.STANDBY} <= set(RECEIVING)
    assert not IndexEntry.objects.parked().exists()
    assert (old.dimension, new.dimension) == (384, 32)


def assert_enough_happened(told: Figures, size: Size) -> None:
    """The journey was one: else it proves nothing."""
    assert told.kills == size.kills
    assert told.kills_at_work >= (size.kills - LAST_KILLS + 1) // 2
    assert told.excused
    assert all(count >= 1 for count in told.writes.values())
    assert {"edited", "added", "deleted"} <= told.writes.keys()
    assert {each.phase for each in told.latencies} == {
        "idle", "building", "cut over", "rolled back",
    }  # fmt: skip
    seconds = sum(each.seconds for each in told.latencies)
    assert told.questions >= 0.9 * size.questions_per_second * seconds
