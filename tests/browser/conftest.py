"""Debian's Chromium, driven by Playwright, and an owner signed in to the admin."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from kb.models import Membership, Workspace
from tests.factories import make_workspace

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa"]}}


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for the session, with a profile of its own that goes with it."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    assert found, "install chromium (bin/test does it as root on Debian)"
    # Playwright runs an event loop in this thread, and Django's ORM refuses to work beside one.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def workspace(transactional_db: None) -> Workspace:  # noqa: ARG001 - the server is another thread
    """With an owner who may sign in."""
    workspace = make_workspace("acme")
    ann = User.objects.create_user("ann", password="correct horse", is_staff=True)
    Membership.objects.create(workspace=workspace, user=ann, role="owner")
    return workspace


@pytest.fixture(params=["light", "dark"])
def page(
    request: pytest.FixtureRequest,
    chromium: Browser,
    live_server: LiveServer,
    workspace: Workspace,  # noqa: ARG001 - signs its owner in
) -> Iterator[Page]:
    """Signed in; fails on any script error."""
    context = chromium.new_context(base_url=live_server.url, color_scheme=request.param)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto("/admin/login/?next=/admin/")
    page.fill("#id_username", "ann")
    page.fill("#id_password", "correct horse")
    page.click("[type=submit]")
    yield page
    context.close()
    assert not errors


def violations(page: Page) -> list[str]:
    """What axe finds, by rule and place."""
    found = Axe().run(page, options=WCAG).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:150]}" for each in found]
