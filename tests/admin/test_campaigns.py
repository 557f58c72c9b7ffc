"""Campaigns in the admin: of the whole installation, so for superusers alone."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from embeddings.campaigning import advance
from embeddings.models import Campaign
from kb.models import Workspace
from tests.admin.conftest import SignIn

CHOICES = {
    "name": "spring", "encoder": "hash-wide", "strategy": "", "order": "slug", "concurrency": 2,
    "stop_on_failure": "on",
}  # fmt: skip


def page(name: str, *args: object) -> str:
    """An address of the admin."""
    return reverse(f"admin:embeddings_campaign_{name}", args=args)


@pytest.fixture
def campaign(workspace: Workspace, foreign: Workspace, root: Client) -> Campaign:
    """Over both workspaces, started through the form."""
    made = root.post(page("add"), CHOICES)
    campaign = Campaign.objects.get()
    assert made["Location"] == page("change", campaign.pk)
    return campaign


def test_the_form_starts_one_and_its_page_shows_how_far_it_is(
    root: Client, campaign: Campaign
) -> None:
    assert root.get(page("add")).status_code == 200
    assert (campaign.actor, campaign.concurrency, campaign.stop_on_failure) == ("root", 2, True)
    assert campaign.turns.count() == 2
    advance(campaign)
    shown = root.get(page("change", campaign.pk)).content.decode()
    assert "0 of 2 workspaces done" in shown or "2 of 2 workspaces done" in shown
    for word in ("ours", "theirs"):
        assert word in shown
    assert "spring" in root.get(page("changelist")).content.decode()


def test_what_the_service_refuses_is_said_at_the_form(root: Client, campaign: Campaign) -> None:
    again = root.post(page("add"), CHOICES | {"strategy": "whole"}).content.decode()
    assert "already" in again or "strategy" in again
    assert list(Campaign.objects.all()) == [campaign]


def test_chosen_workspaces_only(root: Client, workspace: Workspace, foreign: Workspace) -> None:
    root.post(page("add"), CHOICES | {"workspaces": [foreign.pk]})
    assert [turn.workspace for turn in Campaign.objects.get().turns.all()] == [foreign]
    assert workspace.index_versions.count() == 1


def test_buttons_steer_it(root: Client, campaign: Campaign) -> None:
    states = []
    for action in ("pause", "resume", "stop"):
        assert root.get(page("steer", campaign.pk, action)).status_code == 405
        root.post(page("steer", campaign.pk, action))
        campaign.refresh_from_db()
        states.append(campaign.state)
    assert states == ["paused", "running", "stopped"]
    refused = root.post(page("steer", campaign.pk, "pause"), follow=True)
    assert "The campaign is stopped." in refused.content.decode()
    assert root.post(page("steer", campaign.pk, "delete")).status_code == 404
    assert root.post(page("steer", 987_654, "pause")).status_code == 404


def test_nobody_else_gets_here(workspace: Workspace, sign_in: SignIn, campaign: Campaign) -> None:
    owner = sign_in(workspace, "owner")
    for address in (page("changelist"), page("add")):
        assert owner.get(address).status_code == 403
    assert owner.get(page("change", campaign.pk)).status_code in {302, 403}
    assert owner.post(page("add"), CHOICES | {"name": "mine"}).status_code == 403
    assert owner.post(page("steer", campaign.pk, "stop")).status_code == 403
    campaign.refresh_from_db()
    assert (campaign.state, Campaign.objects.count()) == ("running", 1)
    assert "Campaigns" not in owner.get(reverse("admin:index")).content.decode()
