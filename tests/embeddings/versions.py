"""Versions in any state, and short ways to what tests of their life ask again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import connection
from django.utils import timezone

from embeddings.filling.loop import embed_pending
from embeddings.filling.settling import settle
from embeddings.lifecycle import VersionState
from embeddings.models import ArticleVector, IndexEntry, IndexVersion, Verdict, VersionEvent
from embeddings.services.moving import Actor
from embeddings.services.starting import Pace, start_version
from kb.models import Workspace
from tests.factories import live

T = TypeVar("T")

ANNA = Actor(name="anna")


def start(
    workspace: Workspace, encoder: str = "hash-wide", *, pace: Pace | None = None
) -> IndexVersion:
    """A building version, with its work listed and nothing done."""
    return start_version(workspace, encoder=encoder, actor=ANNA, pace=pace or Pace())


def ready(workspace: Workspace, encoder: str = "hash-wide") -> IndexVersion:
    """Complete, as the live one is."""
    embed_pending(live(workspace))
    version = start(workspace, encoder)
    embed_pending(version)
    assert settle(version)
    return fresh(version)


def allowed(candidate: IndexVersion, against: IndexVersion, *, yes: bool = True) -> Verdict:
    """The gate's verdict, as who asks the questions writes it."""
    worst = [] if yes else [{"question": "How do I get my money back?", "difference": -1.0}]
    return Verdict.objects.create(
        version=candidate, against=against, allowed=yes, summary="As asked.", worst=worst
    )


def put_in(version: IndexVersion, state: VersionState) -> IndexVersion:
    """As if it had got there by moves."""
    IndexVersion.objects.filter(pk=version.pk).update(state=state, live_until=timezone.now())
    return fresh(version)


def fresh(version: IndexVersion) -> IndexVersion:
    """As the database has it."""
    return IndexVersion.objects.get(pk=version.pk)


def last_event(version: IndexVersion) -> VersionEvent:
    """What happened to it last."""
    return VersionEvent.objects.filter(version=version).latest_first()[0]


def moves_of(version: IndexVersion) -> list[str]:
    """In their order."""
    return list(version.events.order_by("pk").values_list("move", flat=True))


def revisions_in(version: IndexVersion) -> list[int]:
    """Those with an article vector."""
    rows = ArticleVector.objects.filter(index_version_id=version.pk)
    return sorted(rows.values_list("revision_id", flat=True))


def make_due(*versions: IndexVersion) -> None:
    """Let the pauses after failures pass."""
    IndexEntry.objects.filter(index_version__in=versions).update(due_at=timezone.now())


def in_a_session(step: Callable[[], T]) -> T:
    """Called in a thread: its connection is closed with it."""
    try:
        return step()
    finally:
        connection.close()
