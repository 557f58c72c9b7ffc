"""Two versions between which tests switch, and what may stand in the way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from embeddings.live import live_version
from embeddings.models import EntryState, IndexEntry, IndexVersion, ServingProcess, VersionState
from kb.models import Workspace
from tests.embeddings.versions import allowed, fresh, moves_of, ready
from tests.factories import live, make_article


@pytest.fixture(autouse=True)
def impatient(settings: Settings) -> None:
    """What is not ready is refused at once, unless a test waits."""
    settings.CUT_OVER_PATIENCE = 0.0


@pytest.fixture
def first(workspace: Workspace) -> IndexVersion:
    """The live version of three articles."""
    for number in range(3):
        make_article(workspace, title=f"Article {number}")
    return live(workspace)


@pytest.fixture
def second(first: IndexVersion) -> IndexVersion:
    """Complete, and let pass by the gate."""
    version = ready(first.workspace)
    allowed(version, first)
    return version


def process(name: str, *versions: IndexVersion, silent: float = 0, problem: str = "") -> None:
    """A process that answers questions and has these encoders warm."""
    ServingProcess.objects.create(
        name=name,
        seen_at=timezone.now() - timedelta(seconds=silent),
        fingerprints=[version.warm_as for version in versions],
        problem=problem,
    )


def set_entries(version: IndexVersion, state: EntryState, *, count: int = 1) -> None:
    """So many of its articles fare so."""
    keys = IndexEntry.objects.filter(index_version=version).order_by("revision")[:count]
    IndexEntry.objects.filter(pk__in=keys.values("pk")).update(state=state)


def nothing_changed(first: IndexVersion, second: IndexVersion) -> bool:
    """The first one is live, and no move was made."""
    return (
        live_version(first.workspace) == first
        and fresh(second).state == VersionState.READY
        and moves_of(first) == ["start"]
        and moves_of(second) == ["start", "finish"]
    )
