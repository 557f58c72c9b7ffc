"""Webhooks sent by several workers, and by one that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone
from pytest_django import Settings

from kb import tasks
from kb.models import DeliveryState, WebhookDelivery
from kb.services import delivering, webhooks
from kb.services.delivering import deliver_due
from kb.tasks import deliver_webhooks
from tests.embeddings.versions import in_a_session
from tests.factories import make_workspace
from tests.journeys.processes import database_url, wait_for
from tests.kb.test_webhooks import again, listen, queue
from tests.standins.server import slow
from tests.standins.webhook_server import WebhookServer


@pytest.fixture
def server(settings: Settings) -> Iterator[WebhookServer]:
    """Somebody's, on this machine."""
    settings.WEBHOOK_ALLOW_PRIVATE = True
    with WebhookServer() as server:
        yield server


@pytest.mark.django_db(transaction=True)
def test_one_worker_at_a_time_sends_each_event_once(server: WebhookServer) -> None:
    workspace = make_workspace()
    listen(workspace, server)
    server.always = slow(0.1)
    sent = [str(queue(workspace).event_id) for _ in range(9)]
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(in_a_session, deliver_due) for _ in range(3)]
        assert sum(future.result() for future in futures) == 9
    assert sorted(server.ids()) == sorted(sent)
    assert server.most_at_once == 1


@pytest.mark.django_db(transaction=True)
def test_a_slow_server_holds_one_thread(server: WebhookServer) -> None:
    workspace = make_workspace()
    listen(workspace, server)
    server.always = slow(1.5)
    queue(workspace)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(in_a_session, deliver_due)
        wait_for(lambda: bool(server.requests), seconds=20, what="the event is being sent")
        queue(workspace)
        began = time.monotonic()
        assert deliver_due() == 0
        assert time.monotonic() - began < 1
        assert not sending.done()
        assert sending.result() == 2  # the one that came meanwhile too
    assert deliver_due() == 0


@pytest.mark.django_db(transaction=True)
def test_what_is_queued_while_the_last_one_ends_is_not_left_behind(
    server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = make_workspace()
    listen(workspace, server)
    queue(workspace)
    late: list[int] = []

    def queues_at_the_end(deadline: float) -> int:
        attempts = deliver_until(deadline)
        if not late:
            queue(workspace)
            late.append(in_a_thread(deliver_due))  # its own nudge comes to nothing
        return attempts

    deliver_until = delivering._deliver_until
    monkeypatch.setattr(delivering, "_deliver_until", queues_at_the_end)
    assert deliver_due() == 2
    assert late == [0]


def in_a_thread(step: Callable[[], int]) -> int:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(in_a_session, step).result()


@pytest.mark.django_db
def test_what_time_was_too_short_for_is_another_message(
    server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = make_workspace()
    listen(workspace, server)
    nudged: list[dict[str, Any]] = []
    monkeypatch.setattr(webhooks, "send_nudge", lambda _, **options: nudged.append(options))
    monkeypatch.setattr(tasks, "deliver_due", lambda: deliver_due(seconds=0.5))
    server.always = slow(0.6)
    for _ in range(2):
        queue(workspace)
    assert deliver_webhooks() == 1
    assert nudged == [{"queue": "bulk", "expires": 60}]
    assert deliver_webhooks() == 1
    assert deliver_webhooks() == 0
    assert len(nudged) == 1


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_kill_in_the_middle_redelivers_under_the_same_id(server: WebhookServer) -> None:
    workspace = make_workspace()
    listen(workspace, server)
    server.mishaps.append(slow(30))
    delivery = queue(workspace)
    child = subprocess.Popen(
        [sys.executable, "-c", DELIVER],
        env={**os.environ, "DATABASE_URL": database_url(), "WEBHOOK_ALLOW_PRIVATE": "1"},
    )
    try:
        wait_for(lambda: bool(server.requests), seconds=60, what="the event is being sent")
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    connections.close_all()
    assert (again(delivery).state, delivery.attempts) == ("pending", 1)
    assert deliver_due() == 0
    WebhookDelivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert deliver_due() == 1
    assert again(delivery).state == DeliveryState.DELIVERED
    assert server.ids() == [str(delivery.event_id)] * 2


DELIVER = """
import django
django.setup()
from kb.services.delivering import deliver_due
deliver_due()
"""
