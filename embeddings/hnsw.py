"""HNSW indexes of large partitions: which there are, and building what is missing.

An index over halves (`embedding::halfvec(N)`, inner product) belongs to the partition, since
one on the partitioned parent could not be built without locking writers out. Until it is
valid the partition is scanned, so a build is never in the way of an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import structlog
from django.conf import settings
from django.db import DatabaseError, OperationalError, connection

from embeddings.models import IndexVersion
from embeddings.partitions import ARTICLES, PARENTS, PASSAGES, partition_name
from kb.sessions import alone_with, session_settings

log = structlog.get_logger(__name__)

BUILD_LOCK = 4_715_401  # pg_advisory_lock: one build at a time in this database
M = 16
EF_CONSTRUCTION = 128
MOST_DIMENSIONS = 4_000  # pgvector indexes no longer halfvec; such partitions are scanned
# What the graph takes beside each vector while it is built: measured, with room.
BYTES_PER_NODE = 1_000
KINDS = {ARTICLES: "articles", PASSAGES: "passages"}
OUT_OF_RESOURCES = "53"  # the class of SQLSTATEs, shared memory that is full among them


class IndexState(StrEnum):
    """Where the index of one partition is; only a valid one is used."""

    NONE = "none"
    BUILDING = "building"
    VALID = "valid"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorIndex:
    """The index of one partition. `vectors` is the planner's estimate, 0 while it has none;
    `progress` is the share of the table that a build has read, 0 to 1, None otherwise."""

    parent: str
    version_id: int
    dimension: int
    state: IndexState
    bytes: int
    table_bytes: int
    vectors: int
    progress: float | None

    @property
    def partition(self) -> str:
        """The table that it indexes."""
        return partition_name(self.parent, self.version_id)

    @property
    def name(self) -> str:
        """Of the index."""
        return index_name(self.parent, self.version_id)

    def __str__(self) -> str:
        match self.state:
            case IndexState.NONE:
                return "exact"
            case IndexState.BUILDING:
                return f"exact; HNSW being built, {self.progress or 0:.0%}"
            case IndexState.INVALID:
                return "exact; HNSW invalid, to be built anew"
        return f"HNSW, {self.bytes / 1_000_000:,.0f} MB"


STATES = """
    SELECT t.relname, greatest(t.reltuples, 0)::bigint, i.indisvalid,
           coalesce(pg_relation_size(i.indexrelid), 0), pg_table_size(t.oid), p.pid IS NOT NULL,
           p.blocks_done::float / nullif(p.blocks_total, 0)
    FROM pg_class t
    LEFT JOIN (pg_index i JOIN pg_class x ON x.oid = i.indexrelid)
           ON i.indrelid = t.oid AND x.relname = t.relname || '_hnsw'
    LEFT JOIN pg_stat_progress_create_index p
           ON p.relid = t.oid AND p.datname = current_database()
    WHERE t.relname = ANY(%s) AND t.relnamespace = current_schema()::regnamespace
"""


def index_name(parent: str, version_id: int) -> str:
    """Of a version's index."""
    return f"{partition_name(parent, version_id)}_hnsw"


def vector_indexes(versions: Iterable[IndexVersion]) -> dict[int, dict[str, VectorIndex]]:
    """By version and parent table, for every partition that there is. One query."""
    by_id = {version.pk: version for version in versions}
    partitions = {partition_name(parent, pk): (pk, parent) for pk in by_id for parent in PARENTS}
    found: dict[int, dict[str, VectorIndex]] = {pk: {} for pk in by_id}
    with connection.cursor() as cursor:
        cursor.execute(STATES, [list(partitions)])
        for relation, vectors, valid, size, table_size, building, progress in cursor.fetchall():
            pk, parent = partitions[relation]
            found[pk][parent] = VectorIndex(
                parent=parent,
                version_id=pk,
                dimension=by_id[pk].dimension,
                state=_state(valid=valid, building=building),
                bytes=size,
                table_bytes=table_size,
                vectors=vectors,
                progress=(progress or 0.0) if building else None,
            )
    return found


def describe_indexes(indexes: Mapping[str, VectorIndex]) -> str:
    """In words, for people: one kind after the other."""
    return "; ".join(f"{KINDS[parent]}: {index}" for parent, index in sorted(indexes.items()))


def missing_indexes(versions: Iterable[IndexVersion] | None = None) -> list[VectorIndex]:
    """Partitions of these versions (None: of all active ones) that are too large to scan and
    have no valid index, though they could have one."""
    asked = IndexVersion.objects.active() if versions is None else versions
    return [
        index
        for indexes in vector_indexes(asked).values()
        for index in indexes.values()
        if index.state != IndexState.VALID
        and index.dimension <= MOST_DIMENSIONS
        and _is_large(index)
    ]


def build_missing_indexes(*, on_end: Callable[[VectorIndex, str], None] | None = None) -> list[str]:
    """Build what is missing, one after the other; returns the names of those built. `on_end` is
    told of each, with what was wrong, if anything.

    Outside any transaction, on a connection that is PostgreSQL's own (no pooler that changes
    it between statements). While another process builds, nothing is done. What a process or
    a server that was killed left behind invalid is dropped and built anew. Readers and
    writers go on meanwhile.
    """
    built: list[str] = []
    with alone_with(BUILD_LOCK) as alone:
        if not alone:
            return built
        for index in missing_indexes():
            if index.state == IndexState.BUILDING:
                continue  # the server still builds for a process that is gone, or for a person
            problem = _try_to_build(index)
            if not problem:
                built.append(index.name)
            if on_end:
                on_end(index, problem)
    return built


def _state(*, valid: bool | None, building: bool) -> IndexState:
    if valid:
        return IndexState.VALID
    if building:
        return IndexState.BUILDING
    return IndexState.NONE if valid is None else IndexState.INVALID


def _is_large(index: VectorIndex) -> bool:
    """Counts no further than the threshold, and not at all where the table is too small."""
    threshold = settings.EXACT_SEARCH_VECTORS
    if index.table_bytes < threshold * 2 * index.dimension:
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM (SELECT FROM {index.partition} LIMIT %s) counted",  # noqa: S608
            [threshold],
        )
        return bool(cursor.fetchone()[0] >= threshold)


def _try_to_build(index: VectorIndex) -> str:
    """What was wrong, or nothing."""
    try:
        _build(index)
    except DatabaseError as error:
        log.exception("hnsw_build_failed", index=index.name)
        return f"The HNSW index {index.name} could not be built: {error}".strip()
    return ""


def _build(index: VectorIndex) -> None:
    """With helpers; alone where shared memory is too small for them (as in many containers)."""
    log.info("hnsw_build_started", index=index.name, vectors=index.vectors)
    try:
        _create(index, {})
    except OperationalError as error:
        if not _sqlstate(error).startswith(OUT_OF_RESOURCES):
            raise
        log.warning("hnsw_build_without_helpers", index=index.name, error=str(error))
        _create(index, {"max_parallel_maintenance_workers": "0"})
    log.info("hnsw_build_finished", index=index.name)


def _create(index: VectorIndex, session: dict[str, str]) -> None:
    memory = {"maintenance_work_mem": f"{_build_memory(index)}kB"}
    with session_settings(memory | session), connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index.name}")
        cursor.execute(
            f"CREATE INDEX CONCURRENTLY {index.name} ON {index.partition} USING hnsw"
            f" ((embedding::halfvec({index.dimension})) halfvec_ip_ops)"
            f" WITH (m = {M}, ef_construction = {EF_CONSTRUCTION})"
        )


def _sqlstate(error: OperationalError) -> str:
    return getattr(error.__cause__, "sqlstate", None) or ""


def _build_memory(index: VectorIndex) -> int:
    """Kilobytes: enough for the graph, within the limit (a parallel build takes it all at once)."""
    vectors = max(index.vectors, settings.EXACT_SEARCH_VECTORS)
    wanted = 65_536 + vectors * (2 * index.dimension + BYTES_PER_NODE) // 1024
    return int(min(wanted, settings.HNSW_BUILD_MEMORY_MB * 1024))
