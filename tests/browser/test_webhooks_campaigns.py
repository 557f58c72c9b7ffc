"""Webhooks and campaigns, as people see them."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from embeddings.campaigning import advance
from embeddings.models import Campaign
from kb.models import Workspace
from tests.browser.conftest import violations
from tests.factories import live, make_article, make_workspace

pytestmark = [pytest.mark.browser, pytest.mark.slow]
EVENT = "index_version.cut_over"


def test_a_webhook_is_made_and_tried(page: Page) -> None:
    page.goto("/admin/kb/webhookendpoint/add/")
    page.select_option("#id_workspace", label="Acme")
    page.fill("#id_url", "https://hooks.example.com/in")
    page.check(f"input[value='{EVENT}']")
    assert not violations(page)
    page.click("[name=_save]")
    secret = page.input_value("#new-secret")
    assert secret.startswith("whsec_")
    assert not violations(page)
    page.click("text=I have stored it")
    assert secret not in page.content()
    assert not violations(page)
    page.click("text=Send a test event")
    expect(page.get_by_text("A test event is on its way.")).to_be_visible()
    expect(page.get_by_role("button", name="Retry now")).to_be_visible()
    assert not violations(page)


def test_a_campaign_is_begun_watched_and_paused(page: Page, workspace: Workspace) -> None:
    User.objects.update(is_superuser=True)
    make_article(workspace)
    make_article(make_workspace("zenith", encoder="hash-wide"))
    page.goto("/admin/embeddings/campaign/add/")
    page.fill("#id_name", "Spring")
    page.select_option("#id_encoder", "hash-wide")
    assert not violations(page)
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("Spring begins.")).to_be_visible()
    campaign = Campaign.objects.get()
    advance(campaign)
    assert live(workspace).encoder == "hash"
    page.reload()
    expect(page.get_by_role("cell", name="building")).to_be_visible()
    assert not violations(page)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
