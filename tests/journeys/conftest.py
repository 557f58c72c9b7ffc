"""Fixtures of the journeys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from kb.models import Workspace
from tests.factories import make_workspace
from tests.journeys.processes import Fleet


@pytest.fixture
def fleet(tmp_path: Path, transactional_db: None) -> Iterator[Fleet]:  # noqa: ARG001 - rows must be committed
    """Processes that end with the test."""
    made = Fleet(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def workspace(transactional_db: None, settings: Settings) -> Workspace:  # noqa: ARG001 - rows must be committed
    """A workspace with a live index of the real embedded model."""
    settings.DEFAULT_ENCODER = "minilm"
    return make_workspace()
