"""Writes: what is stored, what is refused, and who hears of it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from pytest_django import DjangoCaptureOnCommitCallbacks

from embeddings.models import IndexVersion
from kb.content import ArticleText, clean
from kb.errors import Conflict, InvalidInput, NotFound
from kb.models import Article, ArticleState, Collection, Membership, Revision, Role, Workspace
from kb.services import (
    archive_article,
    create_api_key,
    create_workspace,
    delete_article,
    publish_article,
    restore_article,
    revert_article,
    revoke_api_key,
    save_article,
    unpublish_article,
)
from kb.signals import articles_changed
from tests.factories import make_workspace


def text(body: str = "Some text.", title: str = "A title") -> ArticleText:
    """Clean text."""
    return clean(title=title, body=body)


@pytest.fixture
def announced() -> Iterator[list[dict[str, Any]]]:
    """What the index was told."""
    heard: list[dict[str, Any]] = []

    def listen(sender: object, **news: Any) -> None:  # noqa: ARG001 - a receiver
        heard.append(news)

    articles_changed.connect(listen)
    yield heard
    articles_changed.disconnect(listen)


def test_first_save_makes_a_draft_with_revision_one(workspace: Workspace) -> None:
    author = User.objects.create_user("ann")
    saved = save_article(workspace, text=text(), author=author, change_note="First.")
    assert (saved.created, saved.changed, saved.revision.number) == (True, True, 1)
    assert saved.article.state == ArticleState.DRAFT
    assert (saved.revision.author, saved.revision.change_note) == (author, "First.")


def test_same_text_is_a_successful_no_op(workspace: Workspace) -> None:
    first = save_article(workspace, text=text(), external_id="x")
    again = save_article(workspace, text=text(), external_id="x", tags=["new"])
    assert (again.created, again.changed) == (False, False)
    assert again.revision == first.revision
    assert again.article.tags == ["new"]


def test_upsert_by_external_id_adds_a_revision(workspace: Workspace) -> None:
    save_article(workspace, text=text(), external_id="x")
    saved = save_article(workspace, text=text("Other words."), external_id="x")
    assert (saved.created, saved.revision.number) == (False, 2)
    assert Article.objects.count() == 1


def test_saving_does_not_publish_and_publishing_takes_the_latest(workspace: Workspace) -> None:
    article = save_article(workspace, text=text()).article
    publish_article(article)
    save_article(workspace, text=text("Newer."), article=article)
    article.refresh_from_db()
    assert article.published_revision is not None
    assert article.published_revision.number == 1
    assert list(Article.objects.with_unpublished_changes()) == [article]
    publish_article(article)
    article.refresh_from_db()
    assert article.published_revision == article.latest_revision


def test_life_of_an_article(workspace: Workspace) -> None:
    ann = User.objects.create_user("ann")
    article = save_article(workspace, text=text()).article
    assert publish_article(article, actor=ann).state == ArticleState.PUBLISHED
    assert unpublish_article(article).published_revision is None
    assert archive_article(article, reason="Old.", actor=ann).state == ArticleState.ARCHIVED
    with pytest.raises(Conflict, match="restore it first"):
        publish_article(article)
    assert restore_article(article).state == ArticleState.DRAFT
    events = [(event.kind, event.actor, event.note) for event in article.events.all()]
    assert events == [
        ("restored", None, ""),
        ("archived", ann, "Old."),
        ("unpublished", None, ""),
        ("published", ann, "1"),
    ]


def test_archiving_wants_a_reason(workspace: Workspace) -> None:
    article = save_article(workspace, text=text()).article
    with pytest.raises(InvalidInput, match="Say why"):
        archive_article(article, reason=" ")


def test_reverting_adds_a_revision_with_the_old_text(workspace: Workspace) -> None:
    first = save_article(workspace, text=text("Old."))
    save_article(workspace, text=text("New."), article=first.article)
    reverted = revert_article(first.article, revision=first.revision)
    assert (reverted.revision.number, reverted.revision.body) == (3, "Old.")
    other = save_article(workspace, text=text("Another article."))
    with pytest.raises(NotFound):
        revert_article(first.article, revision=other.revision)


def test_published_article_can_be_deleted(workspace: Workspace) -> None:
    article = publish_article(save_article(workspace, text=text()).article)
    delete_article(article)
    delete_article(article)
    assert not Article.objects.exists()
    assert not Revision.objects.exists()


def test_database_refuses_to_change_a_revision(workspace: Workspace) -> None:
    saved = save_article(workspace, text=text())
    with pytest.raises(IntegrityError, match="immutable"), transaction.atomic():
        Revision.objects.filter(pk=saved.revision.pk).update(body="Forged.")


def test_database_refuses_published_without_a_revision(workspace: Workspace) -> None:
    article = save_article(workspace, text=text()).article
    with pytest.raises(IntegrityError, match="published_means_a_revision"), transaction.atomic():
        Article.objects.filter(pk=article.pk).update(state=ArticleState.PUBLISHED)


def test_collection_of_another_workspace_is_refused(workspace: Workspace) -> None:
    foreign = Collection.objects.create(workspace=make_workspace(), name="C", slug="c")
    with pytest.raises(NotFound):
        save_article(workspace, text=text(), collection=foreign)
    assert not Article.objects.exists()


@pytest.mark.parametrize("external_id", ["", "  ", "x" * 201, "a\nb"])
def test_bad_external_ids_are_refused(workspace: Workspace, external_id: str) -> None:
    with pytest.raises(InvalidInput, match="external id"):
        save_article(workspace, text=text(), external_id=external_id)


def test_index_hears_of_changes_after_the_commit_only(
    workspace: Workspace,
    announced: list[dict[str, Any]],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    article = save_article(workspace, text=text()).article
    with django_capture_on_commit_callbacks(execute=True):
        publish_article(article)
        assert announced == []
    assert [news["article_ids"] for news in announced] == [[article.pk]]
    with django_capture_on_commit_callbacks(execute=True):
        publish_article(article)  # again: nothing changes, nobody is told
    assert len(announced) == 1


def test_failing_receiver_does_not_undo_or_raise(
    workspace: Workspace, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    def fail(sender: object, **news: Any) -> None:  # noqa: ARG001 - a receiver
        raise RuntimeError("the index is on fire")

    articles_changed.connect(fail)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            article = publish_article(save_article(workspace, text=text()).article)
    finally:
        articles_changed.disconnect(fail)
    article.refresh_from_db()
    assert article.state == ArticleState.PUBLISHED


def test_new_workspace_has_its_owner_and_a_live_index(
    db: None,  # noqa: ARG001 - needs the database
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    ann = User.objects.create_user("ann")
    with django_capture_on_commit_callbacks(execute=True):
        workspace = create_workspace(slug="acme", owner=ann)
    assert Membership.objects.get(workspace=workspace).role == Role.OWNER
    assert IndexVersion.objects.live().get().workspace == workspace
    with pytest.raises(Conflict):
        create_workspace(slug="acme")
    with pytest.raises(InvalidInput):
        create_workspace(slug="Not A Slug")


def test_key_secret_is_not_stored(workspace: Workspace) -> None:
    key, token = create_api_key(workspace, name="k", scopes=["chat"])
    secret = token.split("_", 2)[2]
    key.refresh_from_db()
    assert len(secret) >= 43
    assert secret not in str(vars(key))
    assert key.usable
    assert not revoke_api_key(key).usable
    with pytest.raises(InvalidInput, match="everything"):
        create_api_key(workspace, name="k", scopes=["everything"])


@pytest.mark.django_db(transaction=True)
def test_concurrent_upserts_of_one_external_id_make_one_article() -> None:
    workspace = make_workspace()

    def upsert(number: int) -> int:
        try:
            saved = save_article(workspace, text=text(f"Version {number}."), external_id="x")
            return saved.revision.number
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(upsert, range(8)))
    assert sorted(numbers) == list(range(1, 9))
    assert Article.objects.get().revisions.count() == 8


def test_article_of_another_workspace_is_not_saved(workspace: Workspace) -> None:
    foreign = save_article(make_workspace(), text=text()).article
    with pytest.raises(NotFound):
        save_article(workspace, text=text("Forged."), article=foreign)
    assert foreign.revisions.count() == 1


@pytest.mark.parametrize("slug", ["a\n", "-a", "a-", "A", "a_b", "ä", "x" * 64, ""])
def test_slugs_fit_a_host_name(db: None, slug: str) -> None:  # noqa: ARG001 - needs the database
    with pytest.raises(InvalidInput, match="no slug"):
        create_workspace(slug=slug)


@pytest.mark.parametrize(
    "change", [{"tags": ["a\x07b"]}, {"source": "x" * 201}, {"source": "\x00"}]
)
def test_labels_are_one_printable_line(workspace: Workspace, change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="printable"):
        save_article(workspace, text=text(), **change)
    assert not Article.objects.exists()
