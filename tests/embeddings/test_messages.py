"""Messages between workers: few, dropped when they are late, and each run brings its next."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError, connection
from pytest_django import Settings

from embeddings import hnsw
from embeddings.filling.loop import embed_pending
from embeddings.hnsw import BUILD_LOCK, VectorIndex, build_missing_indexes
from embeddings.models import IndexEntry, IndexVersion, VersionState
from embeddings.nudging import nudge_version
from embeddings.partitions import drop_orphans
from embeddings.services.entries import ensure_entries
from embeddings.services.starting import Pace
from embeddings.tasks import build_indexes, embed_version, sweep
from kb.models import Workspace
from tests.embeddings.versions import fresh, in_a_session, start
from tests.factories import live, make_article, make_workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """As it was given to Celery."""

    task: str
    args: tuple[Any, ...]
    queue: str
    options: dict[str, Any]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """Instead of Redis."""
    messages: list[Message] = []

    def send(task: str, *, args: tuple[Any, ...], queue: str, retry: bool, **options: Any) -> None:
        assert not retry
        messages.append(Message(task=task, args=args, queue=queue, options=options))

    monkeypatch.setattr("kb.nudging.current_app", SimpleNamespace(send_task=send))
    return messages


@pytest.fixture
def large(transactional_db: None, settings: Settings) -> Iterator[list[IndexVersion]]:  # noqa: ARG001 - first
    """Building versions of two workspaces, filled, that need an index: one passage is large."""
    settings.EXACT_SEARCH_VECTORS = 1
    workspaces = [make_workspace() for _ in range(2)]
    for workspace in workspaces:
        make_article(workspace, body="word " * 200)
    versions = [start(workspace) for workspace in workspaces]
    for version in versions:
        embed_pending(version)
    yield versions
    for workspace in workspaces:
        workspace.delete()
    drop_orphans()


@pytest.fixture
def busy_builder(transactional_db: None) -> Iterator[None]:  # noqa: ARG001 - first
    """Another process builds an index, for an hour."""
    begun, done = Event(), Event()

    def hold() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [BUILD_LOCK])
            begun.set()
            done.wait()

    thread = Thread(target=in_a_session, args=(hold,))
    thread.start()
    begun.wait()
    yield
    done.set()
    thread.join()


def to_build(messages: list[Message]) -> list[Message]:
    """Those that ask for indexes."""
    return [each for each in messages if each.task == "embeddings.build_indexes"]


def test_a_message_is_dropped_once_the_sweep_has_sent_another(
    sent: list[Message], settings: Settings
) -> None:
    nudge_version(7, bulk=True)
    nudge_version(7, bulk=False, countdown=5)
    nudge_version(7, bulk=True, countdown=5, expires=3)
    assert [(each.queue, each.options["kwargs"]["bulk"]) for each in sent] == [
        ("bulk", True), ("interactive", False), ("bulk", True),
    ]  # fmt: skip
    times = [(each.options["countdown"], each.options["expires"]) for each in sent]
    assert times == [(0, settings.SWEEP_SECONDS), (5, 5 + settings.SWEEP_SECONDS), (5, 8)]


def test_all_that_a_sweep_sends_about_versions_is_dropped_by_the_next(
    large: list[IndexVersion], sent: list[Message], settings: Settings
) -> None:
    for version in large:
        make_article(version.workspace)
    sweep()
    assert {each.task for each in sent} == {"embeddings.embed_version", "embeddings.build_indexes"}
    assert {each.options["expires"] for each in sent} == {settings.SWEEP_SECONDS}


def test_an_unfinished_run_brings_one_other(
    workspace: Workspace, sent: list[Message], settings: Settings
) -> None:
    settings.EMBED_TASK_SECONDS = 0
    for _ in range(40):  # more than one batch
        make_article(workspace)
    version = start(workspace)
    assert embed_version(version.pk) == 32
    [message] = sent
    assert (message.args, message.options["countdown"]) == ((version.pk,), 0)
    assert message.options["expires"] == settings.SWEEP_SECONDS


# --- a pace -------------------------------------------------------------------------------


def test_a_run_does_not_wait_for_its_pace_but_comes_back_then(
    workspace: Workspace, sent: list[Message]
) -> None:
    for _ in range(3):
        make_article(workspace, body="word " * 50)
    version = start(workspace, pace=Pace(tokens_per_second=10))
    began = time.monotonic()
    assert embed_version(version.pk) == 1
    assert time.monotonic() - began < 2
    [message] = sent
    assert (message.queue, message.args) == ("bulk", (version.pk,))
    assert 4 < message.options["countdown"] <= 5.2
    sent.clear()
    assert embed_version(version.pk) == 0  # one too many: the first comes back
    assert sent == []


# --- indexes ------------------------------------------------------------------------------


@pytest.mark.usefixtures("busy_builder")
def test_builds_that_wait_for_another_ask_for_nothing(
    large: list[IndexVersion], sent: list[Message]
) -> None:
    assert build_indexes() == []
    assert to_build(sent) == []
    sweep()
    assert len(to_build(sent)) == 1
    assert {fresh(version).state for version in large} == {VersionState.BUILDING}


def test_who_fills_a_large_version_asks_for_its_index_once(
    large: list[IndexVersion], sent: list[Message], settings: Settings
) -> None:
    make_article(large[0].workspace)
    ensure_entries(large[0], bulk=True)
    assert embed_version(large[0].pk) == 1
    [message] = sent
    assert (message.task, message.queue) == ("embeddings.build_indexes", "bulk")
    assert message.options == {"expires": settings.SWEEP_SECONDS}
    assert embed_version(large[0].pk) == 0
    assert len(sent) == 1


def test_what_was_built_is_ready_and_other_versions_are_left_alone(
    large: list[IndexVersion], sent: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[int] = []
    monkeypatch.setattr("embeddings.tasks.settle", lambda version: settled.append(version.pk))
    start(make_workspace())
    sent.clear()
    assert len(build_indexes()) == 4
    assert set(settled) == {version.pk for version in large}
    assert sent == []


def test_an_index_that_cannot_be_built_is_told_and_not_tried_again_at_once(
    large: list[IndexVersion], sent: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: VectorIndex) -> None:
        raise OperationalError("No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(hnsw, "_build", full)
        assert build_indexes() == []
    assert sent == []
    for version in large:
        assert "could not be built: No space left on device" in fresh(version).problem
    assert len(build_indexes()) == 4
    assert {(fresh(each).state, fresh(each).problem) for each in large} == {("ready", "")}


def test_recall_is_measured_on_the_bulk_queue_alone(
    large: list[IndexVersion], sent: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    build_missing_indexes()
    probed: list[int] = []
    monkeypatch.setattr(
        "embeddings.filling.settling.probe_recall", lambda version: probed.append(version.pk)
    )
    sweep()
    embed_version(large[0].pk, bulk=False)
    assert probed == []
    assert {(each.task, each.queue) for each in sent} == {("embeddings.embed_version", "bulk")}
    asked = [each.args[0] for each in sent]
    assert [asked.count(version.pk) for version in large] == [2, 1]
    for version in large:
        embed_version(version.pk)
    assert probed == [version.pk for version in large]
    assert {fresh(version).state for version in large} == {VersionState.READY}


def test_small_versions_are_ready_whichever_queue_ends_the_work(workspace: Workspace) -> None:
    make_article(workspace)
    version = start(workspace)
    IndexEntry.objects.filter(index_version=version).update(bulk=False)
    embed_version(version.pk, bulk=False)
    assert fresh(version).state == VersionState.READY
    assert live(workspace).number == 1
