"""Webhooks in the admin: the secret is shown once, and only owners get here."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from kb.models import DeliveryState, WebhookDelivery, WebhookEndpoint, Workspace
from kb.services.webhooks import create_endpoint, queue_event
from tests.admin.conftest import SignIn

EVENT = "index_version.started"
URL = "https://hooks.example.com/in"


def page(name: str, *args: object) -> str:
    """An address of the admin."""
    return reverse(f"admin:kb_{name}", args=args)


@pytest.fixture
def owner(workspace: Workspace, sign_in: SignIn) -> Client:
    """An owner's browser."""
    return sign_in(workspace)


@pytest.fixture
def endpoint(workspace: Workspace) -> WebhookEndpoint:
    """Listens for one event."""
    return create_endpoint(workspace, url=URL, events=[EVENT])[0]


def test_the_secret_is_on_one_page_only(workspace: Workspace, owner: Client) -> None:
    given = {"workspace": workspace.pk, "url": URL, "events": [EVENT, "*"]}
    made = owner.post(page("webhookendpoint_add"), given)
    endpoint = WebhookEndpoint.objects.get()
    assert endpoint.secret in made.content.decode()
    assert "no-store" in made["Cache-Control"]
    assert (endpoint.url, endpoint.events, endpoint.active) == (URL, ["*", EVENT], True)
    assert endpoint.created_by is not None
    queue_event(workspace.pk, event=EVENT, payload={})
    delivery = WebhookDelivery.objects.get()
    for address in (
        page("webhookendpoint_changelist"),
        page("webhookendpoint_change", endpoint.pk),
        page("webhookendpoint_history", endpoint.pk),
        page("webhookdelivery_changelist"),
        page("webhookdelivery_change", delivery.pk),
    ):
        shown = owner.get(address)
        assert shown.status_code == 200
        assert endpoint.secret[6:] not in shown.content.decode()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"url": "http://hooks.example.com/"}, "must begin with https"),
        ({"events": []}, "required"),
        ({"events": ["no.such"]}, "not one of the available choices"),
    ],
)
def test_what_is_wrong_is_said_at_the_form(
    workspace: Workspace, owner: Client, wrong: dict[str, object], said: str
) -> None:
    given = {"workspace": workspace.pk, "url": URL, "events": [EVENT]} | wrong
    assert said in owner.post(page("webhookendpoint_add"), given).content.decode()
    assert not WebhookEndpoint.objects.exists()


def test_switching_off_gives_up_what_waits(
    workspace: Workspace, owner: Client, endpoint: WebhookEndpoint
) -> None:
    queue_event(workspace.pk, event=EVENT, payload={})
    given = {"url": URL + "2", "events": [EVENT]}
    assert owner.post(page("webhookendpoint_change", endpoint.pk), given).status_code == 302
    endpoint.refresh_from_db()
    assert (endpoint.url, endpoint.active) == (URL + "2", False)
    assert WebhookDelivery.objects.get().state == DeliveryState.FAILED
    refused = owner.post(page("webhookendpoint_test", endpoint.pk), follow=True)
    assert "switched off" in refused.content.decode()
    assert WebhookDelivery.objects.count() == 1


def test_a_test_event_and_a_retry(owner: Client, endpoint: WebhookEndpoint) -> None:
    shown = owner.post(page("webhookendpoint_test", endpoint.pk), follow=True)
    assert "webhook.test" in shown.content.decode()
    delivery = WebhookDelivery.objects.get()
    WebhookDelivery.objects.update(
        state=DeliveryState.FAILED, last_error="It answered 500: <b>no</b>", attempts=11
    )
    shown = owner.get(page("webhookdelivery_change", delivery.pk))
    assert "It answered 500: &lt;b&gt;no" in shown.content.decode()
    assert owner.get(page("webhookdelivery_retry", delivery.pk)).status_code == 405
    owner.post(page("webhookdelivery_retry", delivery.pk))
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (DeliveryState.PENDING, 0)
    WebhookDelivery.objects.update(state=DeliveryState.DELIVERED)
    refused = owner.post(page("webhookdelivery_retry", delivery.pk), follow=True)
    assert "delivered already" in refused.content.decode()


@pytest.mark.parametrize("role", ["editor", "reviewer", "operator", "analyst"])
def test_other_roles_do_not_get_here(
    workspace: Workspace, sign_in: SignIn, endpoint: WebhookEndpoint, role: str
) -> None:
    client = sign_in(workspace, role)
    for name in ("webhookendpoint_changelist", "webhookendpoint_add", "webhookdelivery_changelist"):
        assert client.get(page(name)).status_code == 403
    assert client.post(page("webhookendpoint_test", endpoint.pk)).status_code in {403, 404}
    assert not WebhookDelivery.objects.exists()


def test_foreign_endpoints_do_not_exist(
    workspace: Workspace, foreign: Workspace, owner: Client
) -> None:
    theirs, _ = create_endpoint(foreign, url=URL, events=["*"])
    queue_event(foreign.pk, event=EVENT, payload={})
    delivery = WebhookDelivery.objects.get()
    WebhookDelivery.objects.update(state=DeliveryState.FAILED)
    assert owner.post(page("webhookendpoint_test", theirs.pk)).status_code == 404
    assert owner.post(page("webhookdelivery_retry", delivery.pk)).status_code == 404
    given = {"workspace": foreign.pk, "url": URL, "events": ["*"]}
    owner.post(page("webhookendpoint_add"), given)
    delivery.refresh_from_db()
    assert (delivery.state, WebhookEndpoint.objects.count()) == (DeliveryState.FAILED, 1)
