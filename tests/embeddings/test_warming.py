"""Encoders are in memory before they are asked for, and a row says which."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from embeddings import warming
from embeddings.encoders.base import Matrix, Task
from embeddings.encoders.hash import HashEncoder
from embeddings.encoders.registry import get_encoder
from embeddings.errors import EncoderUnavailable
from embeddings.lifecycle import VersionState
from embeddings.models import IndexVersion, ServingProcess
from embeddings.warming import Warmer, forget_silent_processes
from kb.models import Workspace
from tests.embeddings.versions import put_in, start
from tests.factories import live, make_workspace


class ProneEncoder(HashEncoder):
    """Counts questions; `fault` is raised instead of an answer."""

    fault: Exception | None = None

    def __init__(self, *, strategy: str) -> None:
        super().__init__(name="prone", strategy=strategy)
        self.asked = 0

    def encode(self, texts: Sequence[str], task: Task) -> Matrix:
        """The hash encoder's."""
        self.asked += 1
        if self.fault:
            raise self.fault
        return super().encode(texts, task)


@pytest.fixture
def prone(settings: Settings) -> ProneEncoder:
    """Configured as `prone`."""
    settings.ENCODERS = settings.ENCODERS | {
        "prone": {"BACKEND": f"{__name__}.ProneEncoder", "STRATEGY": "windows"}
    }
    encoder = get_encoder("prone")
    assert isinstance(encoder, ProneEncoder)
    return encoder


def row(name: str = "web:1") -> ServingProcess:
    """What a process said last."""
    return ServingProcess.objects.get(name=name)


@pytest.mark.parametrize("state", VersionState.values)
def test_what_answers_or_may_be_next_is_warmed(
    workspace: Workspace, prone: ProneEncoder, state: str
) -> None:
    version = start(workspace, "prone")
    put_in(live(workspace), VersionState.STANDBY)
    put_in(version, VersionState(state))
    Warmer("web:1").look()
    warm = state in {"ready", "live", "standby"}
    assert bool(prone.asked) == warm
    assert (version.warm_as in row().fingerprints) == warm
    assert live_one() in row().fingerprints
    assert row().problem == ""


def live_one() -> str:
    return f"hash {get_encoder('hash').fingerprint}"


def test_each_encoder_is_tried_once_whoever_uses_it(
    workspace: Workspace, prone: ProneEncoder
) -> None:
    for each in (workspace, make_workspace()):
        put_in(start(each, "prone"), VersionState.READY)
    warmer = Warmer("web:1")
    warmer.look()
    warmer.look()
    assert prone.asked == 1
    assert row().fingerprints == [live_one(), f"prone {prone.fingerprint}"]


def test_another_alias_of_the_same_options_is_another_encoder(
    workspace: Workspace, settings: Settings
) -> None:
    """Encoders are made by alias: the second one would be loaded within a question."""
    settings.ENCODERS = settings.ENCODERS | {"again": settings.ENCODERS["hash"]}
    Warmer("web:1").look()
    version = put_in(start(workspace), VersionState.READY)
    IndexVersion.objects.filter(pk=version.pk).update(
        encoder="again", fingerprint=live(workspace).fingerprint
    )
    version.refresh_from_db()
    assert ServingProcess.objects.cold(version.warm_as).exists()
    Warmer("web:1").look()
    assert row().fingerprints == [f"again {version.fingerprint}", live_one()]
    assert not ServingProcess.objects.cold(version.warm_as).exists()


@pytest.mark.parametrize(
    "fault", [EncoderUnavailable("The hub is away."), RuntimeError("out of memory")]
)
def test_one_that_cannot_be_loaded_is_told_tried_again_and_in_nobodys_way(
    workspace: Workspace, prone: ProneEncoder, fault: Exception
) -> None:
    ready = put_in(start(workspace, "prone"), VersionState.READY)
    prone.fault = fault
    warmer = Warmer("web:1")
    warmer.look()
    assert row().problem.startswith("prone: ")
    assert str(fault) in row().problem
    assert row().fingerprints == [live_one()]
    assert [each.name for each in ServingProcess.objects.cold(ready.warm_as)] == ["web:1"]
    prone.fault = None
    warmer.look()
    assert row().problem == ""
    assert not ServingProcess.objects.cold(ready.warm_as).exists()


def test_options_that_changed_are_a_problem_that_is_told(workspace: Workspace) -> None:
    IndexVersion.objects.filter(pk=live(workspace).pk).update(fingerprint="hash:other")
    Warmer("web:1").look()
    assert "Restore its options" in row().problem
    assert row().fingerprints == []


def test_the_live_ones_go_first(workspace: Workspace, prone: ProneEncoder) -> None:
    elsewhere = make_workspace(encoder="prone")
    put_in(start(elsewhere, "hash"), VersionState.STANDBY)
    put_in(start(workspace, "hash-wide"), VersionState.READY)
    versions = warming._encoders()
    assert [each.state for each in versions] == ["live", "live", "ready"]
    assert {each.fingerprint for each in versions[:2]} == {
        live(workspace).fingerprint, prone.fingerprint,
    }  # fmt: skip


def test_who_is_alive_and_cold(db: None) -> None:  # noqa: ARG001 - needs the database
    now = timezone.now()
    for name, age, warm in (("a", 1, ["x"]), ("b", 29, []), ("c", 31, []), ("d", 3_700, [])):
        ServingProcess.objects.create(
            name=name, seen_at=now - timedelta(seconds=age), fingerprints=warm
        )
    assert [each.name for each in ServingProcess.objects.alive().order_by("name")] == ["a", "b"]
    assert [each.name for each in ServingProcess.objects.cold("x")] == ["b"]
    forget_silent_processes()
    assert ServingProcess.objects.count() == 3


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("prone")
def test_a_process_is_heard_of_while_it_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading takes a minute; a process that says nothing would not be waited for."""
    monkeypatch.setattr(warming, "POLL_SECONDS", 0.05)
    workspace = make_workspace()
    version = put_in(start(workspace, "prone"), VersionState.READY)
    loaded = threading.Event()
    monkeypatch.setattr(
        ProneEncoder,
        "encode_queries",
        lambda self, questions: loaded.wait(20) and HashEncoder.encode_queries(self, questions),
    )
    warmer = Warmer("web:1")
    thread = threading.Thread(target=warmer.run)
    thread.start()
    try:
        wait_until(lambda: ServingProcess.objects.filter(name="web:1").exists())
        first = row().seen_at
        wait_until(lambda: row().seen_at > first)
        assert version.warm_as not in row().fingerprints
        loaded.set()
        wait_until(lambda: version.warm_as in row().fingerprints)
    finally:
        loaded.set()
        warmer.stop()
        thread.join(10)
    assert not thread.is_alive()


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warming, "POLL_SECONDS", 0.05)
    make_workspace()
    warmer = Warmer("web:1")
    thread = threading.Thread(target=warmer.run)
    thread.start()
    try:
        wait_until(lambda: ServingProcess.objects.filter(name="web:1").exists())
        for _ in range(5):
            end_other_sessions()
            time.sleep(0.05)
        ServingProcess.objects.all().delete()
        wait_until(lambda: ServingProcess.objects.filter(name="web:1").exists())
    finally:
        warmer.stop()
        thread.join(10)


def end_other_sessions() -> None:
    """As a restart of PostgreSQL does."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def wait_until(condition: object, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)
