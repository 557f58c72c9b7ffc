"""Partitions come and go beside other workspaces' readers, and after processes that were killed."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection
from pgvector import HalfVector
from pytest_django import Settings

from embeddings import partitions as module
from embeddings.hnsw import missing_indexes
from embeddings.models import IndexVersion
from embeddings.partitions import (
    DROP_LOCK,
    PARENTS,
    PASSAGES,
    TABLES,
    create_partitions,
    drop_orphans,
    drop_partitions,
    partition_name,
)
from tests.factories import live, make_workspace

committed = pytest.mark.django_db(transaction=True)


def version_that_is_gone() -> int:
    """Its workspace was deleted; its partitions are left."""
    workspace = make_workspace()
    pk = live(workspace).pk
    workspace.delete()
    return pk


def tables_of(version_id: int) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ %s",
            [f"_v{version_id}$"],
        )
        return {name for (name,) in cursor.fetchall()}


@contextmanager
def other_session() -> Iterator[Any]:
    """A cursor of somebody else's, in a transaction of theirs."""
    other = connection.copy()
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            yield cursor
    finally:
        other.close()


@contextmanager
def somebody_reads_all() -> Iterator[None]:
    """A report over every workspace, in a transaction that stays open."""
    with other_session() as cursor:
        cursor.execute(f"SELECT count(*) FROM {PASSAGES}")
        yield


@contextmanager
def impatient() -> Iterator[None]:
    """Waits of this session end soon."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '200ms'")
        try:
            yield
        finally:
            cursor.execute("RESET lock_timeout")


def leave_pending(version_id: int) -> None:
    """As a process does that is killed while it detaches."""
    name = partition_name(PASSAGES, version_id)
    detach = f"ALTER TABLE {PASSAGES} DETACH PARTITION {name} CONCURRENTLY"
    with (
        somebody_reads_all(),
        impatient(),
        connection.cursor() as cursor,
        pytest.raises(OperationalError),
    ):
        cursor.execute(detach)


@pytest.fixture
def other() -> Iterator[IndexVersion]:
    """Another workspace's version, which is to stay as it is; nothing is left of other tests."""
    drop_orphans()
    version = live(make_workspace())
    yield version
    version.workspace.delete()
    drop_orphans()


@committed
def test_what_a_killed_process_left_pending_stops_nobody(other: IndexVersion) -> None:
    pending, next_one = version_that_is_gone(), version_that_is_gone()
    leave_pending(pending)
    assert drop_orphans() == 2
    assert tables_of(pending) == tables_of(next_one) == set()
    assert len(tables_of(other.pk)) == len(TABLES)
    assert drop_orphans() == 0


@committed
def test_one_version_is_dropped_though_another_is_pending(other: IndexVersion) -> None:
    pending, wanted = version_that_is_gone(), version_that_is_gone()
    leave_pending(pending)
    assert drop_partitions(wanted)
    assert tables_of(wanted) == set()
    assert drop_orphans() == 1
    assert len(tables_of(other.pk)) == len(TABLES)


@committed
@pytest.mark.usefixtures("other")
@pytest.mark.parametrize("parent", TABLES)
def test_what_was_detached_and_not_dropped_is_found(parent: str) -> None:
    gone = version_that_is_gone()
    with connection.cursor() as cursor:
        for each in TABLES:
            name = partition_name(each, gone)
            cursor.execute(f"ALTER TABLE {each} DETACH PARTITION {name}")
            if each != parent:
                cursor.execute(f"DROP TABLE {name}")
    assert tables_of(gone) == {partition_name(parent, gone)}
    assert drop_orphans() == 1
    assert tables_of(gone) == set()


@committed
def test_only_one_process_drops(other: IndexVersion) -> None:
    gone = version_that_is_gone()
    with other_session() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [DROP_LOCK])
        assert drop_orphans() == 0
        assert not drop_partitions(other.pk)
        assert len(tables_of(gone)) == len(tables_of(other.pk)) == len(TABLES)
        cursor.execute("SELECT pg_advisory_unlock(%s)", [DROP_LOCK])
        assert drop_orphans() == 1


@committed
def test_neither_readers_nor_new_versions_wait_behind_it(
    other: IndexVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = version_that_is_gone()
    monkeypatch.setattr(module, "PATIENCE", {"lock_timeout": "1500ms"})

    def drop() -> None:
        try:
            drop_orphans()
        finally:
            connection.close()

    until = time.monotonic() + 20
    with ThreadPoolExecutor(1) as pool, somebody_reads_all():
        dropping = pool.submit(drop)
        with impatient(), connection.cursor() as cursor:
            for parent in TABLES:
                cursor.execute(f"SELECT count(*) FROM {parent} WHERE index_version_id = {other.pk}")
            create_partitions(987_654, 8)
            while not dropping.done():
                assert time.monotonic() < until
                cursor.execute(f"SELECT count(*) FROM {PASSAGES}")
        with pytest.raises(OperationalError, match="lock timeout"):
            dropping.result()
    assert drop_orphans() == 2
    assert tables_of(gone) == tables_of(987_654) == set()
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)


def storage_of(parent: str, version_id: int) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attstorage::text FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attname = 'embedding'",
            [partition_name(parent, version_id)],
        )
        return str(cursor.fetchone()[0])


@pytest.mark.django_db
@pytest.mark.parametrize("dimension", [1, 3_900, 3_901, 4_096, 16_000])
def test_vectors_of_every_length_can_be_stored(dimension: int) -> None:
    create_partitions(987_654, dimension)
    assert storage_of(PASSAGES, 987_654) == ("p" if dimension <= 3_900 else "e")
    vector = HalfVector([((7 * at) % 1_001) / 1_001 for at in range(dimension)]).to_text()
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {PASSAGES} VALUES (987654, 1, 0, 0, 1, 1, %s::halfvec)", [vector]
        )
        cursor.execute(
            "INSERT INTO embeddings_articlevector VALUES (987654, 1, %s::halfvec)", [vector]
        )
        cursor.execute(f"SELECT vector_dims(embedding) FROM {PASSAGES}")
        assert cursor.fetchall() == [(dimension,)]


@pytest.mark.django_db
def test_migration_keeps_in_rows_what_fits_a_page() -> None:
    migration = importlib.import_module("embeddings.migrations.0004_indexes")
    [short, long] = [live(make_workspace()) for _ in range(2)]
    IndexVersion.objects.filter(pk=long.pk).update(dimension=4_096)
    [operation] = migration.Migration.operations
    with connection.cursor() as cursor:
        for version in (short, long):
            for parent in PARENTS:
                name = partition_name(parent, version.pk)
                cursor.execute(f"ALTER TABLE {name} ALTER embedding SET STORAGE EXTERNAL")
        cursor.execute(operation.sql)
        assert [storage_of(each, short.pk) for each in PARENTS] == ["p", "p"]
        assert [storage_of(each, long.pk) for each in PARENTS] == ["e", "e"]
        cursor.execute(operation.reverse_sql)
        assert [storage_of(each, short.pk) for each in PARENTS] == ["e", "e"]


@pytest.mark.django_db
def test_no_index_is_wanted_that_cannot_be_built(settings: Settings) -> None:
    settings.EXACT_SEARCH_VECTORS = 0
    [short, long] = [live(make_workspace()) for _ in range(2)]
    IndexVersion.objects.filter(pk=short.pk).update(dimension=4_000)
    IndexVersion.objects.filter(pk=long.pk).update(dimension=4_001)
    assert {index.version_id for index in missing_indexes()} == {short.pk}
