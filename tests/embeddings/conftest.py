"""Fixtures of the embeddings tests."""

from __future__ import annotations

import pytest

from kb.models import Workspace
from tests.factories import make_workspace


@pytest.fixture
def workspace(db: None) -> Workspace:  # noqa: ARG001 - needs the database
    """A workspace with a live index of the hash encoder."""
    return make_workspace()
