"""Rows as they stand in the middle of a build, at a moment of one's choice."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from embeddings.models import EntryState, IndexEntry, IndexVersion, WorkerHeartbeat
from kb.models import Workspace
from tests.embeddings.versions import fresh, start
from tests.factories import make_article


@pytest.fixture(autouse=True)
def worker(db: None) -> WorkerHeartbeat:  # noqa: ARG001 - needs the database
    """One is alive."""
    return WorkerHeartbeat.objects.create(worker="celery@host", seen_at=timezone.now())


@pytest.fixture
def building(workspace: Workspace) -> IndexVersion:
    """Four articles of 10 words and 50 characters, none of them embedded."""
    for number in range(4):
        make_article(workspace, title=f"Title {number}", body="word " * 10)
    return start(workspace)


def entries(version: IndexVersion) -> list[IndexEntry]:
    """In their order."""
    return list(IndexEntry.objects.filter(index_version=version).order_by("pk"))


def change(entry: IndexEntry, **values: object) -> None:
    """As somebody else would have written it."""
    IndexEntry.objects.filter(pk=entry.pk).update(**values)


def ago(seconds: float) -> datetime:
    """A moment before now."""
    return timezone.now() - timedelta(seconds=seconds)


def age(version: IndexVersion, seconds: float) -> IndexVersion:
    """As if it had been made so long ago, and its entries with it."""
    IndexVersion.objects.filter(pk=version.pk).update(
        created_at=ago(seconds), state_since=ago(seconds)
    )
    IndexEntry.objects.filter(index_version=version).update(
        due_at=ago(seconds), queued_at=ago(seconds)
    )
    return fresh(version)


def embedded(entry: IndexEntry, *, seconds_ago: float, tokens: int = 10) -> None:
    """Done so long ago."""
    change(entry, state=EntryState.EMBEDDED, embedded_at=ago(seconds_ago), tokens=tokens)


def leased(entry: IndexEntry, *, worker: str = "host:1", seconds: float = 60) -> None:
    """In somebody's hand for so long."""
    change(
        entry,
        state=EntryState.EMBEDDING,
        lease=uuid.uuid4(),
        lease_until=timezone.now() + timedelta(seconds=seconds),
        worker=worker,
    )
