"""The admin as a person uses it: written, previewed, published, found; on a phone; accessible."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from chat.models import CuratedAnswer
from embeddings.encoders.metering import add_tokens
from embeddings.loop import embed_pending
from embeddings.spending import spending
from kb.models import Article, Membership, Workspace
from tests.chat.test_curated import curate
from tests.factories import live, make_article, make_workspace

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa"]}}


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


def test_article_is_written_previewed_published_and_becomes_searchable(
    page: Page, workspace: Workspace
) -> None:
    page.goto("/admin/kb/article/add/")
    page.fill("[name=title]", "Refunds")
    page.fill("[name=body]", "Refunds take **five** days.")
    expect(page.locator("strong", has_text="five")).to_be_visible()
    if page.locator("select[name=workspace]").count():
        page.select_option("select[name=workspace]", str(workspace.pk), force=True)
    page.click("button[name=_publish]")
    article = Article.objects.get()
    page.goto(f"/admin/kb/article/{article.pk}/change/")
    expect(page.get_by_text("Pending").first).to_be_visible()
    embed_pending(live(workspace))
    expect(page.get_by_text("Searchable").first).to_be_visible()


def test_pages_fit_a_phone_and_are_accessible(page: Page, workspace: Workspace) -> None:
    article = make_article(workspace)
    embed_pending(live(workspace))
    curated = curate(workspace, sources=(article,))
    with spending(workspace_id=workspace.pk, encoder="jina-api"):
        add_tokens(12_345)
    for path in (
        "/admin/",
        "/admin/kb/article/",
        f"/admin/kb/article/{article.pk}/change/",
        "/admin/embeddings/tokenspend/",
        "/admin/chat/curatedanswer/",
        "/admin/chat/curatedanswer/add/",
        f"/admin/chat/curatedanswer/{curated.pk}/change/",
        "/admin/chat/curatedanswer/import/",
    ):
        page.goto(path)
        assert violations(page) == []
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        page.set_viewport_size({"width": 1280, "height": 900})


def test_curated_answer_is_written_after_a_look_at_its_near_duplicates(
    page: Page, workspace: Workspace
) -> None:
    article = make_article(workspace, title="Refund policy")
    curate(workspace, "how long may a refund to my card take")
    page.goto("/admin/chat/curatedanswer/add/")
    page.fill("[name=question]", "how long may a refund to the card take")
    if page.locator("select[name=workspace]").count():
        page.select_option("select[name=workspace]", str(workspace.pk), force=True)
    near = page.locator("[data-near-url] a")
    expect(near).to_have_text("how long may a refund to my card take")
    page.fill("[name=text]", "Five days.")
    box = page.get_by_label("Find an article")
    box.fill("Refund")
    expect(page.locator("#ub-articles option")).to_have_count(1)
    box.fill(f"#{article.pk} Refund policy")  # as choosing it does
    expect(page.locator("[name=sources]")).to_have_value(f"#{article.pk} Refund policy")
    assert violations(page) == []
    page.click("button[name=_save]")
    expect(page.get_by_text("was added successfully").first).to_be_visible()
    made = CuratedAnswer.objects.get(text="Five days.")
    assert [source.article_id for source in made.sources.all()] == [article.pk]
