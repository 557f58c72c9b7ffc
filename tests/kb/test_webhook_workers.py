"""Webhooks sent by several workers, and by one that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone
from pytest_django import Settings

from kb.models import DeliveryState, WebhookDelivery
from kb.services.delivering import deliver_due
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
def test_workers_side_by_side_send_each_event_once(server: WebhookServer) -> None:
    workspace = make_workspace()
    listen(workspace, server)
    server.always = slow(0.1)
    sent = [str(queue(workspace).event_id) for _ in range(9)]
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(in_a_session, deliver_due) for _ in range(3)]
        assert sum(future.result() for future in futures) == 9
    assert sorted(server.ids()) == sorted(sent)
    assert server.most_at_once > 1


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
