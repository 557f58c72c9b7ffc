"""The admin as a person uses it: written, previewed, published, found; on a phone; accessible."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from chat.models import CuratedAnswer
from embeddings.encoders.metering import add_tokens
from embeddings.filling.loop import embed_pending
from embeddings.spending import spending
from kb.models import Article, Workspace
from tests.browser.conftest import violations
from tests.chat.test_curated import curate
from tests.factories import live, make_article

pytestmark = [pytest.mark.browser, pytest.mark.slow]


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
