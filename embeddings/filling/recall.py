"""Does an HNSW index find what an exact scan finds? Asked of stored vectors themselves."""

from __future__ import annotations

import numpy as np
from django.db import connection
from pgvector import HalfVector

from embeddings.encoders.base import Vector
from embeddings.encoders.vectors import unit_rows
from embeddings.hnsw import IndexState, vector_indexes
from embeddings.models import IndexVersion
from embeddings.partitions import PASSAGES, partition_name
from embeddings.search import compare_every_passage, walk_graph
from kb.search import SearchScope

PROBES = 40
NEAREST = 10
TIE = 1e-6  # of two scores, computed in another order


def is_probed(version: IndexVersion) -> bool:
    """Whether there is an index whose findings can be compared with a scan."""
    index = vector_indexes([version]).get(version.pk, {}).get(PASSAGES)
    return index is not None and index.state == IndexState.VALID


def probe_recall(version: IndexVersion) -> float | None:
    """Share of the exact ten nearest passages that a search by the index finds, over 40 stored
    passages, 0 to 1; None where nothing is indexed.

    A probe lies between two stored passages, so that it is none itself, as no question is.
    """
    if not is_probed(version):
        return None
    scope = SearchScope(workspace_id=version.workspace_id, include_internal=True)
    found = wanted = 0
    for probe in _probes(version):
        exact = compare_every_passage(version, probe, scope=scope, limit=NEAREST)
        walked = walk_graph(version, probe, scope=scope, limit=NEAREST)
        wanted += len(exact)
        # By nearness, not by name: of passages that say the same, either will do.
        farthest = exact[-1].score - TIE if exact else 0.0
        found += sum(hit.score >= farthest for hit in walked)
    return round(found / wanted, 4) if wanted else None


def _probes(version: IndexVersion) -> list[Vector]:
    """Between a stored vector and another of the sample, nearer to the first."""
    stored = _sample(version, 2 * PROBES)
    pairs = zip(stored[::2], stored[1::2], strict=False)
    mixed = np.array([0.7 * one + 0.3 * other for one, other in pairs], dtype=np.float32)
    return list(unit_rows(mixed)) if len(mixed) else []


def _sample(version: IndexVersion, count: int) -> list[Vector]:
    """Stored passages from all over the partition, in the order of the table."""
    name = partition_name(PASSAGES, version.pk)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {name}")  # noqa: S608 - a name of our own
        step = max(1, cursor.fetchone()[0] // count)
        cursor.execute(
            "SELECT embedding::text FROM (SELECT embedding, row_number() OVER () AS n"  # noqa: S608
            f" FROM {name}) numbered WHERE n %% %s = 0 LIMIT %s",
            [step, count],
        )
        texts = [text for (text,) in cursor.fetchall()]
    return [np.array(HalfVector.from_text(text).to_list(), dtype=np.float32) for text in texts]
