"""An article's life in the admin, and what each role is shown."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from embeddings.filling.loop import embed_pending
from kb.models import Article, Workspace
from tests.admin.conftest import SignIn
from tests.factories import live, make_article

TEXT = {"language": "en", "audience": "public"}


def article_url(name: str, article: Article, *more: int) -> str:
    """A page of one article."""
    return reverse(f"admin:kb_article_{name}", args=[article.pk, *more])


@pytest.fixture
def owner(workspace: Workspace, sign_in: SignIn) -> Client:
    """An owner's browser."""
    return sign_in(workspace)


@pytest.fixture
def article(workspace: Workspace, owner: Client) -> Article:
    """Written and published through the form."""
    form = TEXT | {"title": "First", "body": "One.", "workspace": workspace.pk, "tags": "a, b"}
    assert owner.post(reverse("admin:kb_article_add"), form | {"_publish": ""}).status_code == 302
    return Article.objects.get()


def test_form_publishes_and_the_status_follows_the_index(
    workspace: Workspace, owner: Client, article: Article
) -> None:
    assert (article.state, article.tags) == ("published", ["a", "b"])
    assert owner.get(article_url("status", article)).json()["state"] == "pending"
    embed_pending(live(workspace))
    status = owner.get(article_url("status", article)).json()
    assert (status["state"], status["settled"]) == ("searchable", True)


def test_conflict_keeps_what_was_typed_until_it_is_meant(owner: Client, article: Article) -> None:
    url = article_url("change", article)
    form = TEXT | {"title": "Second", "body": "Two.", "base_revision": 1, "_save": ""}
    assert owner.post(url, form).status_code == 302
    mine = form | {"title": "Third", "body": "typed <b>"}
    refused = owner.post(url, mine)
    assert refused.status_code == 200
    assert "typed &lt;b&gt;" in refused.content.decode()
    assert owner.post(url, mine | {"overwrite": "2"}).status_code == 302
    article.refresh_from_db()
    assert str(article) == "Third"


def test_history_shows_compares_and_reverts(owner: Client, article: Article) -> None:
    form = TEXT | {"title": "Second", "body": "Two.", "base_revision": 1, "_save": ""}
    owner.post(article_url("change", article), form)
    for page in (
        article_url("revisions", article),
        article_url("revision", article, 1),
        article_url("diff", article, 2, 1),
    ):
        assert owner.get(page).status_code == 200
    revert = article_url("revert", article, 1)
    assert owner.get(revert).status_code == 405
    assert owner.post(revert).status_code == 302
    article.refresh_from_db()
    assert (str(article), article.revisions.count()) == ("First", 3)


def test_buttons_change_the_state(owner: Client, article: Article) -> None:
    states = []
    for name in ("unpublish", "publish", "archive", "restore"):
        owner.post(article_url(name, article), {"reason": "Old."})
        article.refresh_from_db()
        states.append(article.state)
    assert states == ["draft", "published", "archived", "draft"]
    owner.post(article_url("delete", article), {"post": "yes"})
    assert not Article.objects.exists()


def test_roles_see_and_do_what_is_theirs(
    workspace: Workspace, sign_in: SignIn, article: Article
) -> None:
    analyst, editor = sign_in(workspace, "analyst"), sign_in(workspace, "editor")
    page = analyst.get(article_url("change", article))
    assert page.status_code == 200
    assert b"One." in page.content
    assert b"<textarea" not in page.content
    assert analyst.post(reverse("admin:kb_article_preview"), {"body": "x"}).status_code == 403
    assert editor.post(article_url("unpublish", article)).status_code == 403
    article.refresh_from_db()
    assert article.state == "published"


@pytest.mark.parametrize(
    "name",
    [
        "admin:index",
        "admin:kb_article_changelist",
        "admin:embeddings_indexversion_changelist",
        "admin:embeddings_indexentry_changelist",
        "admin:chat_conversation_changelist",
        "admin:chat_trace_changelist",
    ],
)
def test_lists_cost_the_same_at_one_and_ten_articles(
    workspace: Workspace, owner: Client, name: str
) -> None:
    make_article(workspace)
    embed_pending(live(workspace))
    owner.get(reverse(name))
    with CaptureQueriesContext(connection) as one:
        owner.get(reverse(name))
    for _ in range(9):
        make_article(workspace)
    embed_pending(live(workspace))
    with CaptureQueriesContext(connection) as ten:
        owner.get(reverse(name))
    assert len(ten) == len(one)
