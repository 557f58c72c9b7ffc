"""What webhooks are told of index versions."""

from __future__ import annotations

import pytest
from django.db import transaction

from embeddings.announcing import event_name
from embeddings.lifecycle import Move
from embeddings.services.cutting_over import cut_over, roll_back
from embeddings.services.moving import make_move
from embeddings.services.running import cancel_version
from kb.events import known_events
from kb.models import WebhookDelivery, Workspace
from kb.services.webhooks import create_endpoint
from tests.embeddings.versions import ANNA, allowed, ready, start
from tests.factories import live, make_article, make_workspace


@pytest.fixture(autouse=True)
def listening(workspace: Workspace) -> None:
    """To all there is."""
    create_endpoint(workspace, url="https://hooks.example.com/", events=["*"])


def told() -> list[str]:
    """Events, as they were queued, without their common beginning."""
    events = WebhookDelivery.objects.order_by("pk").values_list("event", flat=True)
    return [event.removeprefix("index_version.") for event in events]


def test_every_move_has_an_event_of_its_own() -> None:
    assert len({event_name(move) for move in Move}) == len(Move)
    assert {event_name(move) for move in Move} <= known_events().keys()


def test_a_switch_and_the_way_back_are_told_step_by_step(workspace: Workspace) -> None:
    make_article(workspace)
    candidate = ready(workspace)
    allowed(candidate, live(workspace))
    cut_over(candidate, actor=ANNA, patience=0)
    roll_back(workspace, actor=ANNA, reason="It was worse.", patience=0)
    assert told() == ["started", "finished", "replaced", "cut_over", "replaced", "rolled_back"]
    payload = WebhookDelivery.objects.latest("pk").payload
    at = payload.pop("at")
    assert at == live(workspace).events.latest("pk").created_at.isoformat()
    assert payload == {
        "workspace": workspace.slug,
        "version": 1,
        "encoder": "hash",
        "from": "standby",
        "to": "live",
        "actor": "anna",
        "reason": "It was worse.",
    }


def test_other_workspaces_are_none_of_its_business(workspace: Workspace) -> None:
    foreign = make_workspace()
    make_article(foreign)
    cancel_version(start(foreign), actor=ANNA)
    assert told() == []
    start(workspace)
    assert told() == ["started"]


def test_a_move_that_is_rolled_back_is_not_told(workspace: Workspace) -> None:
    version = start(workspace)
    with transaction.atomic():
        make_move(version, Move.PAUSE, actor=ANNA)
        transaction.set_rollback(True)
    assert told() == ["started"]
