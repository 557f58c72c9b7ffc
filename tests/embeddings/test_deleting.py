"""A workspace is deleted while its versions are worked on: one waits for the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from pytest_django import Settings

from embeddings.encoders.base import Document
from embeddings.filling import store
from embeddings.filling.claims import claim_entries
from embeddings.filling.store import store_vectors
from embeddings.live import encoder_of, live_version
from embeddings.partitions import drop_orphans
from embeddings.services.cutting_over import cut_over
from kb.models import Workspace
from tests.embeddings.versions import ANNA, allowed, in_a_session, ready, start
from tests.factories import live, make_article, make_workspace

pytestmark = pytest.mark.django_db(transaction=True)


class Held:
    """A step that has locked something, and goes on a moment later."""

    def __init__(self, step: Callable[..., Any]) -> None:
        self.reached = Event()
        self._step = step

    def __call__(self, *given: Any) -> Any:
        """The step's."""
        self.reached.set()
        time.sleep(0.7)
        return self._step(*given)


def delete_meanwhile(workspace: Workspace, work: Callable[[], Any], held: Held) -> Any:
    """What the work returned, that was under way when the workspace was deleted."""

    def delete() -> None:
        held.reached.wait(10)
        Workspace.objects.get(pk=workspace.pk).delete()

    with ThreadPoolExecutor(2) as pool:
        working = pool.submit(in_a_session, work)
        pool.submit(in_a_session, delete).result(timeout=30)
        done = working.result(timeout=30)
    assert not Workspace.objects.filter(pk=workspace.pk).exists()
    drop_orphans()
    return done


def test_vectors_are_stored_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = make_workspace()
    make_article(workspace, body="some words")
    version = start(workspace)
    claim = claim_entries(version, worker="w")
    assert claim is not None
    documents = encoder_of(version).encode_documents([Document(title="x", body="some words")])
    held = Held(store._lock_current)
    monkeypatch.setattr(store, "_lock_current", held)
    assert delete_meanwhile(workspace, lambda: store_vectors(version, claim, documents), held) == 1


def test_a_version_is_cut_over_to_meanwhile(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.CUT_OVER_PATIENCE = 0.0
    workspace = make_workspace()
    make_article(workspace)
    version = ready(workspace)
    allowed(version, live(workspace))
    held = Held(live_version)
    monkeypatch.setattr("embeddings.services.cutting_over.live_version", held)
    assert delete_meanwhile(workspace, lambda: cut_over(version, actor=ANNA), held) == version
