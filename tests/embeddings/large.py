"""A workspace whose passages are too many for an exact scan, as far as the tests' limit goes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
from django.db import connection
from numpy.typing import NDArray
from pytest_django import Settings

from benchmarks.clustered import Clusters, load_workspace, make_clusters
from embeddings import routing
from embeddings.hnsw import VectorIndex, vector_indexes
from embeddings.models import IndexVersion
from embeddings.partitions import PASSAGES, drop_orphans
from embeddings.routing import forget_routes
from kb.search import Filters, SearchScope

PASSAGES_LOADED = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Large:
    """A version of 2,000 passages, and where to draw questions from."""

    version: IndexVersion
    clusters: Clusters

    def scope(self, *, insider: bool = False, **filters: object) -> SearchScope:
        """Of its workspace."""
        return SearchScope(
            workspace_id=self.version.workspace_id,
            include_internal=insider,
            filters=Filters(**filters),  # type: ignore[arg-type]
        )

    def questions(self, count: int) -> NDArray[np.float32]:
        """Vectors that are not in the index, around the same centres."""
        return self.clusters.draw(count)

    @property
    def index(self) -> VectorIndex:
        """Of the passages."""
        return vector_indexes([self.version])[self.version.pk][PASSAGES]


@pytest.fixture
def low_limits(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """More than 500 vectors in scope take the graph."""
    settings.EXACT_SEARCH_VECTORS = 500
    monkeypatch.setattr(routing, "STEP_COST", 0)
    forget_routes()
    yield
    forget_routes()


@pytest.fixture
def large(transactional_db: None, low_limits: None) -> Iterator[Large]:  # noqa: ARG001 - first
    """Not yet indexed: indexes are built outside transactions."""
    with loaded() as large:
        yield large


@contextmanager
def loaded() -> Iterator[Large]:
    """Committed, and gone after the block."""
    clusters = make_clusters()
    version = load_workspace("large", passages=PASSAGES_LOADED, clusters=clusters)
    yield Large(version=version, clusters=clusters)
    version.workspace.delete()
    drop_orphans()


def plan_of(statement: str) -> str:
    """What PostgreSQL does for it, with the settings of this connection."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {statement}")
        return "\n".join(line for (line,) in cursor.fetchall())
