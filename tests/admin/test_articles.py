"""Writing an article in the admin."""

from __future__ import annotations

from django.test import Client
from django.urls import reverse

from kb.models import ApiKey, Article, Workspace
from tests.admin.conftest import SignIn
from tests.factories import add_revision, make_article

SCRIPT = "<script>alert(1)</script>"


def change(article: Article) -> str:
    return reverse("admin:kb_article_change", args=[article.pk])


def typed(base: int, **more: str) -> dict[str, object]:
    form = {"title": "Mine", "body": "My text.", "language": "en", "audience": "public"}
    return {**form, "base_revision": base, **more}


def test_reviewers_publish_and_editors_save_drafts(workspace: Workspace, sign_in: SignIn) -> None:
    article = make_article(workspace, published=False)
    sign_in(workspace, "editor").post(change(article), typed(1, _publish=""))
    article.refresh_from_db()
    assert (article.state, article.revisions.count()) == ("draft", 1)
    sign_in(workspace, "reviewer").post(change(article), typed(1, _publish=""))
    article.refresh_from_db()
    assert (article.state, str(article)) == ("published", "Mine")


def test_a_newer_revision_is_never_overwritten_unseen(
    workspace: Workspace, sign_in: SignIn
) -> None:
    article = make_article(workspace)
    add_revision(article, body="Theirs")
    client = sign_in(workspace)
    page = client.post(change(article), typed(1, _save="")).content.decode()
    assert "My text." in page
    assert "newer revision" in page
    assert article.revisions.count() == 2
    client.post(change(article), typed(1, _save="", overwrite="2"))
    assert article.revisions.count() == 3


def test_scripts_are_shown_and_not_run(workspace: Workspace, root: Client) -> None:
    article = make_article(workspace, title=SCRIPT, body=SCRIPT)
    add_revision(article, title=SCRIPT, body=f"{SCRIPT}\nmore")
    for address in (
        change(article),
        reverse("admin:kb_article_changelist"),
        reverse("admin:kb_article_revisions", args=[article.pk]),
        reverse("admin:kb_article_revision", args=[article.pk, 1]),
        reverse("admin:kb_article_diff", args=[article.pk, 2, 1]),
    ):
        response = root.get(address)
        assert response.status_code == 200
        assert SCRIPT not in response.content.decode()
    preview = root.post(reverse("admin:kb_article_preview"), {"body": SCRIPT})
    assert SCRIPT not in preview.json()["html"]


def test_a_key_is_shown_once(workspace: Workspace, root: Client) -> None:
    form = {"workspace": workspace.pk, "name": "bot", "scopes": ["chat"]}
    form |= {"expires_at_0": "", "expires_at_1": ""}
    page = root.post(reverse("admin:kb_apikey_add"), form).content.decode()
    key = ApiKey.objects.get()
    token = page.split('value="ub_')[1].split('"')[0]
    again = root.get(reverse("admin:kb_apikey_change", args=[key.pk])).content.decode()
    assert token not in again
