"""Synthetic passages: clustered unit vectors, and the articles that they belong to.

Uniformly random vectors have no neighbours worth the name; these lie around centres in a
space of low rank, as the vectors of texts do. Rows are copied in PostgreSQL's binary format,
so that a million takes a minute.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray

from embeddings.models import IndexVersion, VersionState
from embeddings.partitions import PARENTS, create_partitions, partition_name
from kb.models import Workspace

DIMENSION = 384
CENTRES = 2_000
RANK = 32
SPREAD = 0.5  # of a vector around its centre: a cosine of about .8 between neighbours
PASSAGES = 10  # of an article
CHUNK = 50_000

Vectors = NDArray[np.float32]
Integers = list[tuple[str, NDArray[np.int64] | int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    """Centres in a space of rank 32, and the map from there to all dimensions."""

    centres: Vectors
    basis: Vectors
    random: np.random.Generator = field(repr=False)

    def draw(self, count: int) -> Vectors:
        """Vectors of length 1 around centres picked at random; shape (count, 384)."""
        chosen = self.centres[self.random.integers(len(self.centres), size=count)]
        noise = self.random.standard_normal(chosen.shape, dtype=np.float32)
        vectors: Vectors = (chosen + SPREAD * noise) @ self.basis
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


def make_clusters(seed: int = 1) -> Clusters:
    """The same ones for the same seed."""
    random = np.random.default_rng(seed)
    square, _ = np.linalg.qr(random.standard_normal((DIMENSION, RANK)))
    return Clusters(
        centres=random.standard_normal((CENTRES, RANK), dtype=np.float32),
        basis=np.ascontiguousarray(square.T, dtype=np.float32),
        random=random,
    )


def load_workspace(slug: str, *, passages: int, clusters: Clusters) -> IndexVersion:
    """A workspace of so many passages, ten to a published article, with its live version.

    Every hundredth article has the tag `1%`, every tenth `10%`, and one in twenty is internal.
    The vector of an article is its first passage's.
    """
    workspace = Workspace.objects.create(slug=slug, name=slug)
    with transaction.atomic():
        version = IndexVersion.objects.create(
            workspace=workspace,
            number=1,
            state=VersionState.LIVE,
            encoder="synthetic",
            fingerprint="synthetic",
            dimension=DIMENSION,
            strategy="windows",
        )
        create_partitions(version.pk, DIMENSION)
        revisions = _insert_articles(workspace, -(-passages // PASSAGES))
        _copy_vectors(version, revisions, passages=passages, clusters=clusters)
    with connection.cursor() as cursor:
        tables = [partition_name(parent, version.pk) for parent in PARENTS]
        cursor.execute(f"ANALYZE kb_article, kb_revision, {', '.join(tables)}")
    return version


ARTICLES = """
    INSERT INTO kb_article (workspace_id, source, tags, state, created_at, updated_at)
    SELECT %(workspace)s, '',
           CASE WHEN n %% 100 = 0 THEN ARRAY['1%%', '10%%']
                WHEN n %% 10 = 0 THEN ARRAY['10%%'] ELSE ARRAY[]::varchar[] END,
           'draft', now(), now()
    FROM generate_series(1, %(articles)s) n
"""
REVISIONS = """
    INSERT INTO kb_revision
        (workspace_id, article_id, number, title, body, language, audience, content_hash,
         change_note, created_at)
    SELECT workspace_id, id, 1, 'Article ' || id, 'Text of article ' || id, 'en',
           CASE WHEN row_number() OVER (ORDER BY id) %% 20 = 7 THEN 'internal' ELSE 'public' END,
           id::text, '', now()
    FROM kb_article WHERE workspace_id = %(workspace)s
"""
PUBLISH = """
    UPDATE kb_article a SET latest_revision_id = r.id, published_revision_id = r.id,
           state = 'published', published_at = now()
    FROM kb_revision r WHERE r.article_id = a.id AND a.workspace_id = %(workspace)s
"""


def _insert_articles(workspace: Workspace, articles: int) -> NDArray[np.int64]:
    parameters = {"workspace": workspace.pk, "articles": articles}
    with connection.cursor() as cursor:
        for statement in (ARTICLES, REVISIONS, PUBLISH):
            cursor.execute(statement, parameters)
        cursor.execute(
            "SELECT published_revision_id FROM kb_article WHERE workspace_id = %s ORDER BY id",
            [workspace.pk],
        )
        return np.array([revision for (revision,) in cursor.fetchall()], dtype=np.int64)


def _copy_vectors(
    version: IndexVersion, revisions: NDArray[np.int64], *, passages: int, clusters: Clusters
) -> None:
    for first in range(0, passages, CHUNK):
        numbers = np.arange(first, min(first + CHUNK, passages))
        vectors = clusters.draw(len(numbers))
        ordinals = numbers % PASSAGES
        owners = revisions[numbers // PASSAGES]
        rows = _passage_rows(version.pk, owners, ordinals, vectors)
        columns = '(index_version_id, revision_id, ordinal, start, "end", tokens, embedding)'
        _copy(f"embeddings_passagevector {columns}", rows)
        heads = ordinals == 0
        rows = _rows([("i8", version.pk), ("i8", owners[heads])], vectors[heads])
        _copy("embeddings_articlevector (index_version_id, revision_id, embedding)", rows)


def _passage_rows(
    version_id: int, owners: NDArray[np.int64], ordinals: NDArray[np.int64], vectors: Vectors
) -> bytes:
    integers: Integers = [("i8", version_id), ("i8", owners), ("i4", ordinals)]
    return _rows([*integers, ("i4", 0), ("i4", 10), ("i4", 5)], vectors)


def _rows(integers: Integers, vectors: Vectors) -> bytes:
    """Rows as COPY's binary format has them: big-endian, each value after its size."""
    layout = [("columns", ">i2")]
    for number, (kind, _) in enumerate(integers):
        layout += [(f"size{number}", ">i4"), (f"value{number}", f">{kind}")]
    layout += [("size", ">i4"), ("dimension", ">i2"), ("unused", ">i2")]
    rows = np.zeros(len(vectors), dtype=[*layout, ("vector", ">f2", (DIMENSION,))])
    rows["columns"] = len(integers) + 1
    for number, (kind, values) in enumerate(integers):
        rows[f"size{number}"], rows[f"value{number}"] = int(kind[1]), values
    rows["size"], rows["dimension"], rows["vector"] = 4 + 2 * DIMENSION, DIMENSION, vectors
    return rows.tobytes()


def _copy(target: str, rows: bytes) -> None:
    header, end = b"PGCOPY\n\xff\r\n\x00" + bytes(8), b"\xff\xff"
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {target} FROM STDIN (FORMAT BINARY)") as copy,
    ):
        for piece in _pieces(header, rows, end):
            copy.write(piece)


def _pieces(*parts: bytes) -> Iterator[bytes]:
    for part in parts:
        for start in range(0, len(part), 1 << 20):
            yield part[start : start + (1 << 20)]
