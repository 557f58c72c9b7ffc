"""Partitions of the vector tables: one per index version.

Made with CREATE TABLE … LIKE and ATTACH, which leaves readers and writers of other versions
alone (`PARTITION OF` would lock them out). The CHECKs let ATTACH skip its scan and keep
vectors of another dimension out for good. Vectors stay in their rows (PLAIN) as long as they
fit a page: out of line, as PostgreSQL would keep those of 1,000 dimensions and more, each costs
a lookup of its own. The words of the passages (`embeddings.words`) are a third table of the
same life.
"""

from __future__ import annotations

from django.db import connection, transaction

from embeddings.lifecycle import STORED
from kb.sessions import alone_with, session_settings

ARTICLES, PASSAGES = PARENTS = ("embeddings_articlevector", "embeddings_passagevector")
WORDS = "embeddings_passagewords"
TABLES = (WORDS, *PARENTS)
MOST_IN_A_ROW = 3_900  # dimensions: two bytes each, on a page of 8 kB with the rest of the row
DROP_LOCK = 4_715_402  # pg_advisory_lock: one process at a time takes partitions out
CREATE_LOCK = 4_715_403
# No longer is waited for whoever uses a partition: finishing what was left pending keeps new
# ones from being made meanwhile. The next sweep goes on.
PATIENCE = {"lock_timeout": "5s"}


def create_partitions(version_id: int, dimension: int) -> None:
    """Make the partitions of a version; within the caller's transaction."""
    storage = "PLAIN" if dimension <= MOST_IN_A_ROW else "EXTERNAL"
    for parent in PARENTS:
        _create(
            parent,
            version_id,
            f"ADD CONSTRAINT {partition_name(parent, version_id)}_dimension"
            f" CHECK (vector_dims(embedding) = {int(dimension)}),"
            f" ALTER embedding SET STORAGE {storage}",
        )
    create_words_partition(version_id)


def create_words_partition(version_id: int) -> None:
    """For the words of a version's passages, found by any of them."""
    _create(WORDS, version_id, "ALTER words SET STORAGE EXTERNAL")
    name = partition_name(WORDS, version_id)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE INDEX {name}_terms ON {name} USING gin (terms)")


def ensure_words_partition(version_id: int) -> bool:
    """Make it where an older process made the version without it; returns whether it did."""
    if _exists(partition_name(WORDS, version_id)):
        return False
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CREATE_LOCK])
        if _exists(partition_name(WORDS, version_id)):
            return False  # another was quicker
        create_words_partition(version_id)
    return True


def _exists(table: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [table])
        return bool(cursor.fetchone()[0])


def _create(parent: str, version_id: int, alter: str) -> None:
    name = partition_name(parent, version_id)
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {name} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
        )
        cursor.execute(
            f"ALTER TABLE {name}"
            f" ADD CONSTRAINT {name}_version CHECK (index_version_id = {int(version_id)}), {alter}"
        )
        cursor.execute(
            f"ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES IN ({int(version_id)})"
        )


def drop_partitions(version_id: int) -> bool:
    """Take the partitions out and drop them; not inside a transaction. May be killed, and run
    again.

    DETACH CONCURRENTLY does not wait in the way of other versions' readers. False, and nothing
    done, while another process drops any; raises OperationalError where somebody uses them for
    longer than five seconds.
    """
    with alone_with(DROP_LOCK) as alone:
        if alone:
            with session_settings(PATIENCE):
                _finish_detaching()
                for parent in TABLES:
                    _drop(parent, partition_name(parent, version_id))
    return alone


def drop_orphans() -> int:
    """Drop partitions whose version is over or gone (with its workspace); returns how many
    versions.

    Not inside a transaction; what a process that was killed left half done is finished first.
    """
    with alone_with(DROP_LOCK) as alone:
        if not alone:
            return 0
        with session_settings(PATIENCE), connection.cursor() as cursor:
            _finish_detaching()
            cursor.execute(ORPHANS, [f"^({'|'.join(TABLES)})_v[0-9]+$", list(STORED)])
            orphans = [int(version) for (version,) in cursor.fetchall()]
        return sum(drop_partitions(version) for version in orphans)


def _finish_detaching() -> None:
    """A parent detaches one partition at a time: one left pending stops every other."""
    with connection.cursor() as cursor:
        cursor.execute(PENDING, [list(TABLES)])
        for parent, name in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {parent} DETACH PARTITION {name} FINALIZE")


def _drop(parent: str, name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(ATTACHED, [name])
        if cursor.fetchone()[0]:
            cursor.execute(f"ALTER TABLE {parent} DETACH PARTITION {name} CONCURRENTLY")
        cursor.execute(f"DROP TABLE IF EXISTS {name}")


ATTACHED = "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(%s))"
PENDING = """
    SELECT inhparent::regclass::text, inhrelid::regclass::text FROM pg_inherits
    WHERE inhdetachpending AND inhparent = ANY(%s::regclass[])
"""
# By name: what was detached and not dropped has no parent any more.
ORPHANS = """
    SELECT DISTINCT version
    FROM pg_class c, LATERAL (SELECT substring(c.relname FROM '_v([0-9]+)$')::bigint AS version) n
    WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
      AND c.relname ~ %s
      AND NOT EXISTS (SELECT FROM embeddings_indexversion v
                      WHERE v.id = n.version AND v.state = ANY(%s))
    ORDER BY version
"""


def partition_name(parent: str, version_id: int) -> str:
    """Name of a version's partition."""
    return f"{parent}_v{int(version_id)}"
