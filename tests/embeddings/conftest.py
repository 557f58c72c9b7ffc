"""Fixtures of the embeddings tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kb.models import Workspace
from tests.factories import make_workspace
from tests.standins.jina_server import JinaServer


@pytest.fixture
def server() -> Iterator[JinaServer]:
    """Jina's API on loopback."""
    with JinaServer() as server:
        yield server


@pytest.fixture
def workspace(db: None) -> Workspace:  # noqa: ARG001 - needs the database
    """A workspace with a live index of the hash encoder."""
    return make_workspace()
