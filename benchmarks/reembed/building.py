"""Starting, watching and giving up builds."""

from __future__ import annotations

import time
from collections.abc import Callable

from embeddings.models import EntryState, IndexEntry, IndexVersion, VersionState
from embeddings.partitions import drop_partitions
from embeddings.services.moving import Actor
from embeddings.services.running import cancel_version
from embeddings.services.starting import start_version
from kb.models import Workspace

# The same weights as the live version's, cut otherwise: another version at the same cost.
CANDIDATE = "minilm@chunks"
BENCH = Actor(name="benchmark")


def build(workspace: Workspace) -> IndexVersion:
    """A building version that the worker takes up."""
    return start_version(workspace, encoder=CANDIDATE, actor=BENCH)


def bulk_progress(version: IndexVersion) -> int:
    """Embedded entries."""
    done = IndexEntry.objects.filter(index_version=version, state=EntryState.EMBEDDED)
    return done.count()


def discard(version: IndexVersion) -> None:
    """Cancel it and free its space."""
    cancel_version(version, actor=BENCH)
    drop_partitions(version.pk)


def wait_until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Raises RuntimeError that names `what`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"Not within {seconds:g} s: {what}.")
        time.sleep(0.1)


def is_ready(version: IndexVersion) -> bool:
    """Whether all of it is in."""
    return IndexVersion.objects.filter(pk=version.pk, state=VersionState.READY).exists()
