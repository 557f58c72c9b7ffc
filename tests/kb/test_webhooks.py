"""Webhooks: the outbox, deliveries to a real server, and what becomes of each answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from kb.errors import Conflict, InvalidInput
from kb.events import known_events
from kb.models import DeliveryState, WebhookDelivery, WebhookEndpoint, Workspace
from kb.services import delivering, webhooks
from kb.services.delivering import (
    MAX_ATTEMPTS,
    asked_wait,
    claim_delivery,
    deliver_due,
    forget_old_deliveries,
    pause_after,
    record_outcome,
)
from kb.services.delivering import attempt as attempt_delivery
from kb.services.webhooks import (
    change_endpoint,
    create_endpoint,
    queue_event,
    retry_delivery,
    send_test_event,
)
from kb.signing import new_secret, sign
from kb.tasks import deliver_webhooks
from tests.factories import make_workspace
from tests.standins.server import Reply, cut_connection, slow, status
from tests.standins.webhook_server import WebhookServer

EVENT, OTHER = "index_version.started", "index_version.cut_over"
DAY = timedelta(days=1)
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "webhooks.md").read_text()


@pytest.fixture(autouse=True)
def loopback(settings: Settings) -> None:
    """Stand-ins live on this machine; nobody waits for ten seconds."""
    settings.WEBHOOK_ALLOW_PRIVATE = True
    settings.WEBHOOK_SECONDS = 1.0


@pytest.fixture
def server() -> Iterator[WebhookServer]:
    """Somebody's."""
    with WebhookServer() as server:
        yield server


def listen(workspace: Workspace, server: WebhookServer, *events: str) -> WebhookEndpoint:
    """An endpoint at the server, which knows its secret."""
    endpoint, server.secret = create_endpoint(workspace, url=server.url, events=events or [EVENT])
    return endpoint


@pytest.fixture
def endpoint(workspace: Workspace, server: WebhookServer) -> WebhookEndpoint:
    """Listens for one event."""
    return listen(workspace, server)


def queue(workspace: Workspace, event: str = EVENT) -> WebhookDelivery:
    """The newest delivery, of an event that was just queued."""
    queue_event(workspace.pk, event=event, payload={"number": 7})
    return WebhookDelivery.objects.latest("pk")


def later(**span: float) -> None:
    """Everything that waits has waited for so long."""
    earlier = timezone.now() - timedelta(**span)
    WebhookDelivery.objects.update(due_at=earlier, lease_until=None)
    WebhookEndpoint.objects.update(resting_until=None)


def again(delivery: WebhookDelivery) -> WebhookDelivery:
    """As the database has it now."""
    delivery.refresh_from_db()
    return delivery


def test_signature_is_that_of_the_specifications_libraries() -> None:
    """As standardwebhooks 1.1.0 from PyPI signs it."""
    headers = sign(
        "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,d5PJaLhU6hQf9TLleqdn97PBQffdITHtAOuMMHkRQ4U="


def test_an_event_reaches_a_real_server_signed(
    workspace: Workspace, server: WebhookServer, endpoint: WebhookEndpoint
) -> None:
    delivery = queue(workspace)
    assert deliver_webhooks() == 1
    [request] = server.requests
    assert server.is_signed(request)
    assert server.ids() == [str(delivery.event_id)]
    assert request.body["type"] == EVENT
    assert request.body["data"] == {"number": 7}
    assert request.body["timestamp"] == delivery.created_at.isoformat()
    assert endpoint.secret not in str(request.headers) + str(request.body)
    delivery = again(delivery)
    assert (delivery.state, delivery.attempts, delivery.last_status) == ("delivered", 1, 200)
    assert delivery.delivered_at is not None
    assert deliver_due() == 0


@pytest.mark.usefixtures("endpoint")
def test_a_changed_body_or_another_secret_is_found_out(
    workspace: Workspace, server: WebhookServer
) -> None:
    server.secret = "whsec_" + "A" * 44
    delivery = queue(workspace)
    deliver_due()
    assert (again(delivery).state, delivery.last_status) == ("pending", 401)
    assert "answered 401" in delivery.last_error


def test_only_active_endpoints_of_the_workspace_that_listen_are_told(
    workspace: Workspace, server: WebhookServer
) -> None:
    foreign = make_workspace()
    mine, all_of_mine = listen(workspace, server, EVENT), listen(workspace, server, "*")
    listen(workspace, server, OTHER)
    listen(foreign, server, "*")
    change_endpoint(listen(workspace, server), url=server.url, events=[EVENT], active=False)
    queue(workspace)
    told = WebhookDelivery.objects.values_list("endpoint", "event_id")
    assert {endpoint for endpoint, _ in told} == {mine.pk, all_of_mine.pk}
    assert len({event_id for _, event_id in told}) == 1


@pytest.mark.usefixtures("endpoint")
def test_nothing_is_sent_of_what_was_rolled_back(
    workspace: Workspace,
) -> None:
    with transaction.atomic():
        queue(workspace)
        transaction.set_rollback(True)
    assert not WebhookDelivery.objects.exists()
    assert deliver_due() == 0


@pytest.mark.usefixtures("endpoint")
@pytest.mark.parametrize(
    ("mishap", "reason"),
    [
        (status(500), "answered 500"),
        (status(404, body="nothing <b>here"), "answered 404: nothing <b>here"),
        (status(302, Location="/elsewhere"), "redirects are not followed"),
        (cut_connection, "disconnected"),
        (slow(3), "No whole answer within 1 s"),
        (lambda *_: Reply(status=500, body="\x00" * 9_000_000), "answered 500"),
    ],
    ids=["500", "404", "redirect", "cut", "slow", "huge"],
)
def test_what_is_not_taken_is_tried_again_under_the_same_id(
    workspace: Workspace, server: WebhookServer, mishap: object, reason: str
) -> None:
    server.mishaps.append(mishap)  # type: ignore[arg-type]
    delivery, before = queue(workspace), timezone.now()
    assert deliver_due() == 1
    assert again(delivery).state == DeliveryState.PENDING
    assert reason in delivery.last_error
    assert len(delivery.last_error) < 500
    assert before + timedelta(seconds=7) < delivery.due_at < before + timedelta(seconds=20)
    assert deliver_due() == 0
    later(seconds=1)
    assert deliver_due() == 1
    assert again(delivery).state == DeliveryState.DELIVERED
    assert server.ids() == [str(delivery.event_id)] * 2


@pytest.mark.usefixtures("endpoint")
def test_attempts_go_on_for_about_a_day_and_then_end(
    workspace: Workspace, server: WebhookServer
) -> None:
    server.always = status(503)
    delivery = queue(workspace)
    waited = timedelta(0)
    for _ in range(MAX_ATTEMPTS):
        assert again(delivery).state == DeliveryState.PENDING
        later(seconds=1)
        now = timezone.now()
        assert deliver_due() == 1
        waited += max(again(delivery).due_at - now, timedelta(0))
    assert delivery.state == DeliveryState.FAILED
    assert DAY * 0.6 < waited < DAY * 1.3
    later(seconds=1)
    assert deliver_due() == 0


def test_pauses_grow_and_differ() -> None:
    means = [sum((pause_after(n) for _ in range(50)), timedelta(0)) / 50 for n in range(1, 9)]
    assert means == sorted(means)
    assert len({pause_after(3) for _ in range(20)}) > 10


@pytest.mark.usefixtures("endpoint")
def test_retry_after_is_honoured_and_holds_the_whole_endpoint_back(
    workspace: Workspace, server: WebhookServer
) -> None:
    server.mishaps.append(status(429, Retry_After="1800"))
    first, second = queue(workspace), queue(workspace)
    assert deliver_due() == 1
    wait = again(first).due_at - timezone.now()
    assert timedelta(minutes=29) < wait <= timedelta(minutes=30)
    assert (again(second).attempts, deliver_due()) == (0, 0)
    later(seconds=1)
    assert deliver_due() == 2


def test_retry_after_in_both_forms_and_nonsense() -> None:
    soon = timezone.now() + timedelta(hours=2)
    assert asked_wait("120") == timedelta(minutes=2)
    near = asked_wait(format_datetime(soon, usegmt=True).replace("+0000", "GMT"))
    assert timedelta(minutes=119) < near <= timedelta(hours=2)
    assert asked_wait("99999999999") == DAY
    for nonsense in ("", "soon", "-5", "Wed, 99 Foo 2026", "²", "1" * 400):
        assert asked_wait(nonsense) <= DAY


@pytest.mark.usefixtures("endpoint")
def test_who_answers_slowly_rests_before_the_next_event(
    workspace: Workspace, server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "SLOW", timedelta(seconds=0.2))
    server.mishaps.append(slow(0.3))
    first, second = queue(workspace), queue(workspace)
    swift = make_workspace()
    with WebhookServer() as other:
        listen(swift, other)
        third = queue(swift)
        assert deliver_due() == 2
    assert [again(each).state for each in (first, second, third)] == [
        "delivered", "pending", "delivered",
    ]  # fmt: skip
    rest = WebhookEndpoint.objects.get(workspace=workspace).resting_until
    assert rest is not None
    assert first.delivered_at is not None
    assert timedelta(seconds=0.9) < rest - first.delivered_at < timedelta(seconds=3)
    later(seconds=1)
    assert deliver_due() == 1


@pytest.mark.usefixtures("endpoint")
def test_a_refused_event_does_not_hold_others_back(
    workspace: Workspace, server: WebhookServer
) -> None:
    server.mishaps.append(status(400))
    first, second = queue(workspace), queue(workspace)
    assert deliver_due() == 2
    assert (again(first).state, again(second).state) == ("pending", "delivered")


def test_410_switches_the_endpoint_off(
    workspace: Workspace, server: WebhookServer, endpoint: WebhookEndpoint
) -> None:
    server.mishaps.append(status(410))
    first, second = queue(workspace), queue(workspace)
    assert deliver_due() == 1
    endpoint.refresh_from_db()
    assert not endpoint.active
    assert (again(first).state, again(second).state) == ("failed", "failed")
    assert "410" in second.last_error
    queue_event(workspace.pk, event=EVENT, payload={})
    assert WebhookDelivery.objects.count() == 2


@pytest.mark.usefixtures("endpoint")
def test_private_addresses_get_nothing(
    workspace: Workspace, server: WebhookServer, settings: Settings
) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = False
    https = server.url.replace("http:", "https:")
    WebhookEndpoint.objects.update(url=https)
    delivery = queue(workspace)
    assert deliver_due() == 1
    assert "not public" in again(delivery).last_error
    assert not server.requests
    for url in (server.url, "https://u:p@example.com/", "no url"):
        with pytest.raises(InvalidInput):
            create_endpoint(workspace, url=url, events=[EVENT])


@pytest.mark.parametrize("events", [[], ["no.such.event"], ["*", "webhook.test"]])
def test_events_that_do_not_exist_are_refused(workspace: Workspace, events: list[str]) -> None:
    with pytest.raises(InvalidInput, match="Events are"):
        create_endpoint(workspace, url="https://example.com/", events=events)


@pytest.mark.usefixtures("endpoint")
def test_a_lease_keeps_others_away_until_it_ends(workspace: Workspace) -> None:
    queue(workspace)
    held = claim_delivery()
    assert held is not None
    assert claim_delivery() is None
    WebhookDelivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    taken = claim_delivery()
    assert taken is not None
    assert (taken.pk, taken.attempts) == (held.pk, 2)
    record_outcome(held, attempt_delivery(held))  # late: it is no longer its own to write down
    assert again(held).state == DeliveryState.PENDING
    assert held.lease == taken.lease


def test_a_test_event_goes_to_one_endpoint_and_retry_gives_a_fresh_start(
    workspace: Workspace, server: WebhookServer, endpoint: WebhookEndpoint
) -> None:
    listen(workspace, server)
    server.secret = endpoint.secret
    delivery = send_test_event(endpoint)
    WebhookDelivery.objects.update(state=DeliveryState.FAILED, attempts=MAX_ATTEMPTS)
    assert deliver_due() == 0
    retry_delivery(delivery)
    assert deliver_due() == 1
    assert (again(delivery).state, delivery.attempts) == ("delivered", 1)
    assert server.bodies()[0]["type"] == "webhook.test"
    with pytest.raises(Conflict, match="delivered already"):
        retry_delivery(delivery)
    change_endpoint(endpoint, url=endpoint.url, events=endpoint.events, active=False)
    with pytest.raises(Conflict, match="switched off"):
        send_test_event(endpoint)


@pytest.mark.usefixtures("endpoint")
def test_what_was_settled_a_month_ago_is_forgotten(workspace: Workspace) -> None:
    kept, settled = queue(workspace), queue(workspace)
    WebhookDelivery.objects.update(created_at=timezone.now() - timedelta(days=31))
    WebhookDelivery.objects.filter(pk=settled.pk).update(state=DeliveryState.DELIVERED)
    assert forget_old_deliveries() == 1
    assert list(WebhookDelivery.objects.all()) == [kept]


def test_the_page_names_every_event() -> None:
    assert known_events()
    for name, meaning in known_events().items():
        assert f"| `{name}` | {meaning} |" in PAGE


def test_the_pages_way_to_verify_works() -> None:
    snippet = PAGE.split("```python\n")[2].split("```")[0]
    given: dict[str, Any] = {}
    exec(snippet, given)  # noqa: S102 - our own page
    secret, now = new_secret(), int(time.time())
    headers = sign(secret, message_id="m", timestamp=now, body=b"{}")
    genuine = given["is_from_unabridged"]
    assert genuine(secret, headers, b"{}")
    assert not genuine(secret, headers, b"{ }")
    assert not genuine(new_secret(), headers, b"{}")
    assert not genuine(secret, headers | {"webhook-id": "n"}, b"{}")
    old = sign(secret, message_id="m", timestamp=now - 3600, body=b"{}")
    assert not genuine(secret, old, b"{}")


def test_a_worker_is_told_after_the_commit_if_there_is_anything_to_send(
    workspace: Workspace,
    server: WebhookServer,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    nudged: list[str] = []
    monkeypatch.setattr(webhooks, "send_nudge", lambda task, **_: nudged.append(task))
    with django_capture_on_commit_callbacks(execute=True):
        queue_event(workspace.pk, event=EVENT, payload={})
    assert nudged == []
    listen(workspace, server)
    with django_capture_on_commit_callbacks(execute=True):
        queue(workspace)
        assert nudged == []
    assert nudged == ["kb.deliver_webhooks"]
