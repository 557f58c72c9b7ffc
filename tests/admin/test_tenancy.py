"""No page of the admin shows a member of one workspace anything of another."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from chat.models import (
    Calibration,
    Citation,
    Conversation,
    EvaluationRun,
    LabelledQuestion,
    Message,
    QuestionSet,
    RetrievalProfile,
    Trace,
)
from embeddings.models import IndexEntry, WorkerHeartbeat
from embeddings.services.entries import ensure_entries
from kb.admin.base import TenantAdmin
from kb.models import Article, Collection, Workspace
from kb.services import create_api_key
from kb.services.webhooks import create_endpoint, send_test_event
from tests.admin.conftest import SignIn
from tests.chat.test_curated import curate
from tests.factories import add_revision, live, make_article

SECRET = "Zanzibar"
OURS = ("kb", "embeddings", "chat")
MODELS = [model for model in admin.site._registry if model._meta.app_label in {*OURS, "auth"}]
ROLES = ["owner", "editor", "reviewer", "operator", "analyst"]


def furnish(workspace: Workspace, word: str) -> dict[str, Any]:
    """One row of everything, each naming `word`."""
    Workspace.objects.filter(pk=workspace.pk).update(name=f"{word} workspace")
    Collection.objects.create(workspace=workspace, name=f"{word} shelf", slug="shelf")
    article = make_article(workspace, title=f"{word} article", body=f"{word} body")
    article.tags = [f"{word}-tag"]
    article.save()
    add_revision(article, title=f"{word} article two", body=f"{word} body, changed")
    ensure_entries(live(workspace), bulk=False)
    key, _ = create_api_key(workspace, name=f"{word} key", scopes=["chat"])
    address = f"https://{word}.example.com/"
    send_test_event(create_endpoint(workspace, url=address, events=["*"])[0])
    RetrievalProfile.objects.create(workspace=workspace, name=f"{word}-profile")
    curate(workspace, f"{word} question?", text=f"{word} approved", sources=(article,))
    trace = Trace.objects.create(
        workspace=workspace, question=f"{word}?", index_version_id=1, profile="p", detail={}
    )
    talk = Conversation.objects.create(workspace=workspace, api_key=key)
    message = Message.objects.create(
        conversation=talk, number=1, role="assistant", text=f"{word} said", trace=trace
    )
    Citation.objects.create(
        message=message, number=1, article_id=article.pk, revision_id=1,
        title=f"{word} cited", start=0, end=1, quote=word,
    )  # fmt: skip
    asked = QuestionSet.objects.create(workspace=workspace, name=f"{word} questions", slug="set")
    LabelledQuestion.objects.create(
        question_set=asked, key="k", text=f"{word} labelled", origin="manual"
    )
    run = EvaluationRun.objects.create(
        workspace=workspace, question_set=asked, dataset=f"{word} set", index_version_id=1,
        index_version_number=1, encoder="hash", fingerprint="f", profile=f"{word}-profile",
    )  # fmt: skip
    Calibration.objects.create(
        workspace=workspace, run=run, encoder=f"{word}-encoder", fingerprint="f",
        generator="extractive", coefficients={"bias": 0.0}, questions=50, right=25, auroc=0.8,
        calibration_error=0.1, figures={}, reason=f"{word} reason",
    )  # fmt: skip
    return {"article": article, "key": key}


def url(model: Any, page: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def leaks(client: Client, path: str, word: str = SECRET) -> bool:
    return word in client.get(path, follow=True).content.decode()


def test_every_page_of_ours_is_a_tenant_admin() -> None:
    assert len([model for model in MODELS if model._meta.app_label in OURS]) >= 10
    for model in MODELS:
        assert isinstance(admin.site._registry[model], TenantAdmin), model


@pytest.mark.parametrize("role", [*ROLES, None])
@pytest.mark.parametrize("direction", [1, -1])
def test_lists_and_pages_show_nothing_of_another_tenant(
    workspace: Workspace, foreign: Workspace, sign_in: SignIn, role: str | None, direction: int
) -> None:
    mine, theirs = (workspace, foreign)[::direction]
    furnish(mine, "Madeira")
    furnish(theirs, SECRET)
    WorkerHeartbeat.objects.create(
        worker="w", seen_at="2026-01-01T00:00:00Z", activity=f"{SECRET} article"
    )
    client = sign_in(mine, role) if role else sign_in()
    assert not leaks(client, reverse("admin:index"))
    for model in MODELS:
        assert not leaks(client, url(model, "changelist")), model
        assert not leaks(client, url(model, "changelist") + f"?q={SECRET.lower()}-"), model
        assert not leaks(client, url(model, "add")), model
        for pk in model._default_manager.values_list("pk", flat=True):
            row = model._default_manager.get(pk=pk)
            if SECRET not in str(row.__dict__) and not _is_foreign(model, row, theirs):
                continue
            for page in ("change", "history", "delete"):
                assert not leaks(client, url(model, page, pk)), (model, page)


def _is_foreign(model: Any, row: Any, theirs: Workspace) -> bool:
    made = admin.site._registry[model]
    path = getattr(made, "workspace_path", None)
    return bool(path) and made.workspace_id_of(row) == theirs.pk  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["status", "revisions"])
def test_views_of_a_foreign_article_do_not_exist(
    workspace: Workspace, foreign: Workspace, sign_in: SignIn, name: str
) -> None:
    article = furnish(foreign, SECRET)["article"]
    address = reverse(f"admin:kb_article_{name}", args=[article.pk])
    assert sign_in(workspace).get(address).status_code == 404
    assert sign_in().get(address).status_code == 404
    assert sign_in(foreign).get(address).status_code == 200


def test_revisions_of_a_foreign_article_do_not_exist(
    workspace: Workspace, foreign: Workspace, sign_in: SignIn
) -> None:
    pk = furnish(foreign, SECRET)["article"].pk
    client = sign_in(workspace)
    for address in (
        reverse("admin:kb_article_revision", args=[pk, 1]),
        reverse("admin:kb_article_diff", args=[pk, 2, 1]),
    ):
        assert client.get(address).status_code == 404
        assert sign_in(foreign).get(address).status_code == 200


def test_actions_on_foreign_rows_change_nothing(
    workspace: Workspace, foreign: Workspace, sign_in: SignIn
) -> None:
    made = furnish(foreign, SECRET)
    article, key = made["article"], made["key"]
    client = sign_in(workspace)
    for name in ("publish", "unpublish", "archive", "restore"):
        address = reverse(f"admin:kb_article_{name}", args=[article.pk])
        assert client.post(address, {"reason": "x"}).status_code == 404
    revert = reverse("admin:kb_article_revert", args=[article.pk, 1])
    assert client.post(revert).status_code == 404
    assert client.post(reverse("admin:kb_apikey_revoke", args=[key.pk])).status_code == 404
    assert client.post(reverse("admin:embeddings_retry", args=[article.pk])).status_code == 404
    entries = IndexEntry.objects.filter(revision__article=article)
    entries.update(state="parked")
    client.post(
        reverse("admin:embeddings_indexentry_changelist"),
        {"action": "retry", "_selected_action": [entry.pk for entry in entries]},
    )
    article.refresh_from_db()
    key.refresh_from_db()
    assert (article.state, article.revisions.count(), key.revoked_at) == ("published", 2, None)
    assert set(entries.values_list("state", flat=True)) == {"parked"}


def test_a_new_article_cannot_be_put_into_a_foreign_workspace(
    workspace: Workspace, foreign: Workspace, sign_in: SignIn
) -> None:
    shelf = Collection.objects.create(workspace=foreign, name="s", slug="s")
    client = sign_in(workspace)
    form = {"title": "T", "body": "B", "language": "en", "audience": "public"}
    client.post(reverse("admin:kb_article_add"), {**form, "workspace": foreign.pk})
    client.post(
        reverse("admin:kb_article_add"), {**form, "workspace": workspace.pk, "collection": shelf.pk}
    )
    assert not Article.objects.exists()


def test_strangers_are_sent_to_the_login(foreign: Workspace) -> None:
    pk = furnish(foreign, SECRET)["article"].pk
    for name in ("change", "status", "revisions"):
        response = Client().get(reverse(f"admin:kb_article_{name}", args=[pk]))
        assert response.status_code == 302
        assert "/login/" in response["Location"]
