"""The sweep: one tenant's trouble is not another's, and what takes long waits its turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.db import OperationalError, connection
from pytest_django import Settings

from embeddings import tasks, words
from embeddings.filling.loop import embed_pending
from embeddings.models import IndexVersion, PassageWords
from embeddings.partitions import WORDS, drop_orphans, ensure_words_partition, partition_name
from embeddings.services.entries import purge_stale
from embeddings.tasks import embed_version, sweep
from embeddings.words import WHOLE
from kb.models import TermCount
from kb.services.statistics import fold_term_counts
from tests.factories import live, make_article, make_workspace

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def versions() -> Iterator[list[IndexVersion]]:
    """Of three workspaces with an article each, the one in the middle apt to fail."""
    workspaces = [make_workspace() for _ in range(3)]
    for workspace in workspaces:
        make_article(workspace)
    yield [live(workspace) for workspace in workspaces]
    for workspace in workspaces:
        workspace.delete()
    drop_orphans()


def fail_for(version: IndexVersion, step: Callable[[IndexVersion], int]) -> Callable[..., int]:
    """The step, but it fails in one version."""

    def failing(given: IndexVersion, **options: object) -> int:
        if given.pk == version.pk:
            raise ValueError("broken")
        return step(given, **options)

    failing.__name__ = step.__name__
    return failing


def test_version_that_fails_keeps_no_other_from_being_nudged(
    versions: list[IndexVersion],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(tasks, "purge_stale", fail_for(versions[1], purge_stale))
    assert sweep() == 2
    assert "sweep_step_failed" in caplog.text
    assert str(versions[1].pk) in caplog.text


def test_workspace_that_can_have_no_version_stops_nobody(
    versions: list[IndexVersion], settings: Settings
) -> None:
    versions[1].delete()
    settings.DEFAULT_ENCODER = "nope"
    assert sweep() == 2


@pytest.mark.parametrize(
    "step",
    [
        "forget_silent_workers",
        "missing_indexes",
        "drop_orphans",
        "warn_of_stalls",
        "fold_term_counts",
    ],
)
def test_step_that_fails_keeps_no_other_from_being_done(
    versions: list[IndexVersion], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    done: list[str] = []

    def watched(name: str) -> Callable[..., int]:
        def call(**_: object) -> int:
            done.append(name)
            if name == step:
                raise ValueError("broken")
            return 0

        return call

    names = [
        "forget_silent_workers",
        "missing_indexes",
        "drop_orphans",
        "warn_of_stalls",
        "fold_term_counts",
    ]
    for name in names:
        monkeypatch.setattr(tasks, name, watched(name))
    assert sweep() == len(versions)
    assert done == names


def test_sweep_goes_on_after_its_connection_broke(
    versions: list[IndexVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(version: IndexVersion) -> int:
        if version.pk == versions[0].pk:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return purge_stale(version)

    monkeypatch.setattr(tasks, "purge_stale", broken)
    assert sweep() == 2


def test_sweep_ends_where_the_database_is_away(
    versions: list[IndexVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise OperationalError("away")

    monkeypatch.setattr(tasks, "purge_stale", fail_for(versions[0], purge_stale))
    with monkeypatch.context() as gone:
        gone.setattr(connection, "ensure_connection", away)
        with pytest.raises(OperationalError, match="away"):
            sweep()


def drop_words_partition(version: IndexVersion) -> None:
    """As a process makes a version that does not know of words yet."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {partition_name(WORDS, version.pk)}")


def kept(version: IndexVersion) -> int:
    """How many articles' words are there."""
    return PassageWords.objects.filter(index_version_id=version.pk, ordinal=WHOLE).count()


def test_missing_partition_of_words_is_made_before_embedding(versions: list[IndexVersion]) -> None:
    drop_words_partition(versions[0])
    assert embed_version(versions[0].pk) == 1
    assert kept(versions[0]) == 1
    assert not ensure_words_partition(versions[0].pk)


def test_missing_partition_of_words_is_made_and_filled_by_the_sweep(
    versions: list[IndexVersion],
) -> None:
    for version in versions:
        embed_pending(version)
    drop_words_partition(versions[0])
    assert sweep() == 0
    assert [kept(version) for version in versions] == [1, 1, 1]


def test_what_takes_long_comes_last_and_each_gets_on_by_a_batch(
    versions: list[IndexVersion], monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.SWEEP_SECONDS = 0
    for version in versions:
        make_article(version.workspace)
        embed_pending(version)
        make_article(version.workspace)
    PassageWords.objects.filter(index_version_id__in=[each.pk for each in versions]).delete()
    monkeypatch.setattr(words, "FILL_BATCH", 1)
    monkeypatch.setattr("kb.services.statistics.BATCH", 2)
    before: list[int] = []
    monkeypatch.setattr(tasks, "nudge_version", lambda *_, **__: before.append(kept(versions[0])))
    assert sweep() == 3
    assert before == [0, 0, 0]
    assert [kept(version) for version in versions] == [1, 1, 1]
    assert TermCount.objects.filter(folded=False).exists()
    assert sweep() == 3
    assert [kept(version) for version in versions] == [2, 2, 2]


def test_folding_stops_when_its_time_is_up(
    versions: list[IndexVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert versions
    monkeypatch.setattr("kb.services.statistics.BATCH", 2)
    unfolded = TermCount.objects.filter(folded=False).count()
    fold_term_counts(seconds=0)
    left = TermCount.objects.filter(folded=False).count()
    assert left == unfolded - 2 > 0
    fold_term_counts(seconds=60)
    assert not TermCount.objects.filter(folded=False).exists()
