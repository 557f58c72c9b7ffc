"""A re-embedding as an operator sees it: estimated, started, followed, cut over; on any screen."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from embeddings.filling.loop import embed_pending
from embeddings.filling.settling import settle
from embeddings.live import live_version
from embeddings.models import EntryState, IndexEntry, IndexVersion, Verdict, WorkerHeartbeat
from kb.models import Workspace
from tests.browser.conftest import violations
from tests.embeddings.versions import fresh, ready, start
from tests.factories import live, make_article

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGES = "/admin/embeddings/indexversion/"
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
ARTICLES = 40
SOON = 20_000  # milliseconds: a busy server is asked more rarely


@pytest.fixture
def articles(workspace: Workspace) -> None:
    """Forty of them, and a worker."""
    for number in range(ARTICLES):
        make_article(workspace, title=f"How to do thing {number}", body="Do it well. " * 40)
    embed_pending(live(workspace))
    alive()


def alive() -> None:
    WorkerHeartbeat.objects.update_or_create(worker="w", defaults={"seen_at": timezone.now()})


def look(page: Page, name: str) -> None:
    """Accessible, and no wider than a phone; kept as a picture where a folder is named."""
    for size, kind in ((DESKTOP, "desktop"), (PHONE, "phone")):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        assert violations(page) == [], name
        wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wider <= 0, (name, kind)
        if folder := os.environ.get("SCREENSHOTS"):
            dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
            file = Path(folder) / f"{name}-{kind}-{'dark' if dark else 'light'}.png"
            page.screenshot(path=file, full_page=True)
    page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]


def half_built(workspace: Workspace) -> IndexVersion:
    """Started six minutes ago, with a good half of its articles in and two of them parked."""
    version = start(workspace)
    embed_pending(version)
    entries = list(IndexEntry.objects.filter(index_version=version).order_by("pk"))
    now, done = timezone.now(), ARTICLES * 3 // 5
    IndexVersion.objects.filter(pk=version.pk).update(
        created_at=now - timedelta(minutes=6), state_since=now - timedelta(minutes=6)
    )
    for number, entry in enumerate(entries):
        if number < done:
            entry.embedded_at = now - timedelta(minutes=6) * (1 - (number + 1) / done) ** 1.2
            entry.tokens = 700 + 90 * (number % 7)
        else:
            entry.state, entry.embedded_at = EntryState.PENDING, None
        if number in {3, 9}:
            entry.state, entry.attempts = EntryState.PARKED, 3
            entry.reason = "The text has 9,311 tokens, and one request may have 8,192."
        entry.save()
    return fresh(version)


@pytest.mark.usefixtures("articles")
def test_it_is_estimated_and_started_with_the_keyboard(page: Page, workspace: Workspace) -> None:
    page.goto(PAGES)
    page.get_by_role("link", name="Start a re-embedding").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Encoder").select_option("hash-wide")
    page.get_by_label("At most so many tokens per second").fill("5000")
    look(page, "start")
    page.get_by_role("button", name="Estimate").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What it would take")).to_be_visible()
    look(page, "estimate")
    assert workspace.index_versions.count() == 1
    page.get_by_role("button", name="Start", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Version 2 is being built.")).to_be_visible()
    assert workspace.index_versions.get(number=2).tokens_per_second == 5000


@pytest.mark.usefixtures("articles")
def test_the_page_follows_along_without_a_reload(page: Page, workspace: Workspace) -> None:
    version = start(workspace)
    page.goto(f"{PAGES}{version.pk}/change/")
    page.evaluate("window.notReloaded = true")
    expect(page.get_by_text(f"0 of {ARTICLES} articles embedded")).to_be_visible(timeout=SOON)
    embed_pending(version)
    expect(page.get_by_text(f"{ARTICLES} of {ARTICLES} articles embedded")).to_be_visible(
        timeout=SOON
    )
    expect(page.get_by_role("img", name="Articles over time")).to_be_visible(timeout=SOON)
    expect(page.get_by_role("status")).to_have_text("Building: 100 % embedded.", timeout=SOON)
    assert settle(version)
    expect(page.get_by_role("status")).to_have_text("Ready.", timeout=SOON)
    expect(page.get_by_text("Cut over to it…")).to_be_visible(timeout=SOON)
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)
    Verdict.objects.create(
        version=version, against=live(workspace), allowed=False, summary="It finds less.",
        worst=[{"text": "How do I get my money back?"}],
    )  # fmt: skip
    expect(page.get_by_text("How do I get my money back?")).to_be_visible(timeout=SOON)
    assert page.evaluate("window.notReloaded")


@pytest.mark.usefixtures("articles")
def test_what_somebody_writes_is_not_taken_away(page: Page, workspace: Workspace) -> None:
    version = start(workspace)
    page.goto(f"{PAGES}{version.pk}/change/")
    page.locator("summary", has_text="Cancel").focus()
    page.keyboard.press("Enter")
    why = page.get_by_label("Why")
    why.fill("the wrong model")
    embed_pending(version)
    assert settle(version)
    expect(page.get_by_role("status")).to_have_text("Ready.", timeout=SOON)
    expect(why).to_have_value("the wrong model")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Cancelled; what it holds is dropped")).to_be_visible(timeout=SOON)
    assert fresh(version).state == "cancelled"


@pytest.mark.usefixtures("articles")
def test_a_running_build_reads_well_everywhere(page: Page, workspace: Workspace) -> None:
    version = half_built(workspace)
    IndexVersion.objects.filter(pk=version.pk).update(estimate=ESTIMATE)
    page.goto(f"{PAGES}{version.pk}/change/")
    expect(page.get_by_role("img", name="Speed over time")).to_be_visible()
    look(page, "running")
    page.goto(PAGES)
    look(page, "list")


@pytest.mark.usefixtures("articles")
def test_it_is_cut_over_against_the_gate_with_written_reasons(
    page: Page, workspace: Workspace
) -> None:
    version = ready(workspace)
    Verdict.objects.create(
        version=version, against=live(workspace), allowed=False,
        summary="nDCG@10 0.9120 live, 0.8450 here; difference -0.0670, 95% interval -0.1010 to "
        "-0.0320. It is worse than the live version by more than 0.02.",
        worst=[{"text": "How do I get my money back?"}, {"text": "What does a seat cost?"}],
    )  # fmt: skip
    page.goto(f"{PAGES}{version.pk}/change/")
    page.locator("summary", has_text="Cut over to it").click()
    look(page, "ready")
    page.get_by_role("button", name="Cut over to it").click()
    expect(page.get_by_role("alert").filter(has_text="The gate refused version 2")).to_be_visible()
    look(page, "refused")
    page.get_by_label("Why to go on without the gate’s consent").fill("It is better in German.")
    page.get_by_role("button", name="Cut over to it").click()
    expect(page.get_by_text("Version 2 is live.")).to_be_visible()
    expect(page.get_by_text("override: It is better in German.")).to_be_visible()
    assert live_version(workspace).pk == version.pk
    look(page, "live")


@pytest.mark.usefixtures("articles")
def test_without_scripts_it_is_read_and_reloaded(page: Page, workspace: Workspace) -> None:
    version = half_built(workspace)
    browser = page.context.browser
    assert browser
    plain = browser.new_context(
        base_url=page.url.split("/admin")[0],
        java_script_enabled=False,
        storage_state=page.context.storage_state(),
    )
    bare = plain.new_page()
    bare.goto(f"{PAGES}{version.pk}/change/")
    expect(bare.get_by_text(f"of {ARTICLES} articles embedded")).to_be_visible()
    if folder := os.environ.get("SCREENSHOTS"):
        bare.screenshot(path=Path(folder) / "bare.png", full_page=True)
    bare.get_by_role("link", name="Reload to see how far it is").click()
    bare.get_by_role("button", name="Pause").click()
    expect(bare.get_by_text("Paused: workers end what they hold")).to_be_visible()
    plain.close()
    assert fresh(version).state == "paused"


ESTIMATE = {
    "articles": 40, "tokens": 38_400, "seconds": 410.0, "seconds_from": "measured here",
    "tokens_per_second": 93.6, "table_bytes": 1_200_000, "index_bytes": 0, "vectors": 160,
    "dimension": 128, "window": 8192, "over_window": 2, "paid": False, "paid_tokens": 0,
    "cost": None, "currency": "", "warnings": [],
}  # fmt: skip
