"""Partitions of the vector tables: one per index version.

Made with CREATE TABLE … LIKE and ATTACH, which leaves readers and writers of other versions
alone (`PARTITION OF` would lock them out). The CHECKs let ATTACH skip its scan and keep
vectors of another dimension out for good. Vectors stay in their rows (PLAIN): out of line,
as PostgreSQL would keep those of 1,000 dimensions and more, each costs a lookup of its own.
The words of the passages (`embeddings.words`) are a third table of the same life.
"""

from __future__ import annotations

from django.db import connection

ARTICLES, PASSAGES = PARENTS = ("embeddings_articlevector", "embeddings_passagevector")
WORDS = "embeddings_passagewords"
TABLES = (WORDS, *PARENTS)


def create_partitions(version_id: int, dimension: int) -> None:
    """Make the partitions of a version; within the caller's transaction."""
    for parent in PARENTS:
        _create(
            parent,
            version_id,
            f"ADD CONSTRAINT {partition_name(parent, version_id)}_dimension"
            f" CHECK (vector_dims(embedding) = {int(dimension)}),"
            " ALTER embedding SET STORAGE PLAIN",
        )
    create_words_partition(version_id)


def create_words_partition(version_id: int) -> None:
    """For the words of a version's passages, found by any of them."""
    _create(WORDS, version_id, "ALTER words SET STORAGE EXTERNAL")
    name = partition_name(WORDS, version_id)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE INDEX {name}_terms ON {name} USING gin (terms)")


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


def drop_partitions(version_id: int) -> None:
    """Take the partitions out and drop them; not inside a transaction. May be killed, and run
    again.

    DETACH CONCURRENTLY does not wait in the way of other versions' readers. The passages go
    last: `drop_orphans` finds a version by them.
    """
    for parent in TABLES:
        name = partition_name(parent, version_id)
        with connection.cursor() as cursor:
            cursor.execute(ATTACHED, [name])
            for (pending,) in cursor.fetchall():
                how = "FINALIZE" if pending else "CONCURRENTLY"
                cursor.execute(f"ALTER TABLE {parent} DETACH PARTITION {name} {how}")
            cursor.execute(f"DROP TABLE IF EXISTS {name}")


ATTACHED = "SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = to_regclass(%s)"


def drop_orphans() -> int:
    """Drop partitions whose version is gone (with its workspace); returns how many versions."""
    with connection.cursor() as cursor:
        cursor.execute(ORPHANS)
        orphans = [int(version) for (version,) in cursor.fetchall()]
    for version in orphans:
        drop_partitions(version)
    return len(orphans)


ORPHANS = """
    SELECT substring(c.relname FROM '_v([0-9]+)$')::bigint AS version
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'embeddings_passagevector'::regclass AND NOT i.inhdetachpending
      AND NOT EXISTS (SELECT 1 FROM embeddings_indexversion v
                      WHERE v.id = substring(c.relname FROM '_v([0-9]+)$')::bigint)
"""


def partition_name(parent: str, version_id: int) -> str:
    """Name of a version's partition."""
    return f"{parent}_v{int(version_id)}"
