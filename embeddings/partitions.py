"""Partitions of the vector tables: one per index version.

Made with CREATE TABLE … LIKE and ATTACH, which leaves readers and writers of other versions
alone (`PARTITION OF` would lock them out). The CHECKs let ATTACH skip its scan and keep
vectors of another dimension out for good.
"""

from __future__ import annotations

from django.db import connection

PARENTS = ("embeddings_articlevector", "embeddings_passagevector")


def create_partitions(version_id: int, dimension: int) -> None:
    """Make both partitions of a version; within the caller's transaction."""
    with connection.cursor() as cursor:
        for parent in PARENTS:
            name = partition_name(parent, version_id)
            cursor.execute(
                f"CREATE TABLE {name} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
            )
            cursor.execute(
                f"ALTER TABLE {name}"
                f" ADD CONSTRAINT {name}_version CHECK (index_version_id = {int(version_id)}),"
                f" ADD CONSTRAINT {name}_dimension"
                f" CHECK (vector_dims(embedding) = {int(dimension)})"
            )
            cursor.execute(
                f"ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES IN ({int(version_id)})"
            )


def drop_partitions(version_id: int) -> None:
    """Take both partitions out and drop them; not inside a transaction.

    DETACH CONCURRENTLY does not wait in the way of other versions' readers.
    """
    with connection.cursor() as cursor:
        for parent in PARENTS:
            name = partition_name(parent, version_id)
            cursor.execute(f"ALTER TABLE {parent} DETACH PARTITION {name} CONCURRENTLY")
            cursor.execute(f"DROP TABLE {name}")


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
