"""Saving, reverting and deleting articles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from kb.content import (
    ArticleText,
    clean_external_id,
    clean_label,
    clean_tags,
    content_hash,
)
from kb.errors import NotFound
from kb.indexable import require_indexable
from kb.models import Article, Collection, Revision, Workspace
from kb.services.announcing import announce


class _Unset(Enum):
    TOKEN = 0


UNSET: Final = _Unset.TOKEN
Unset = Literal[_Unset.TOKEN]


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedArticle:
    """The article with its latest revision; `changed` is False when the text was the same."""

    article: Article
    revision: Revision
    created: bool
    changed: bool


def save_article(
    workspace: Workspace,
    *,
    text: ArticleText,
    article: Article | None = None,
    external_id: str | None = None,
    collection: Collection | Unset | None = UNSET,
    tags: Sequence[str] | Unset = UNSET,
    source: str | Unset = UNSET,
    author: User | None = None,
    change_note: str = "",
) -> SavedArticle:
    """Create an article, or give `article` (or the one of `external_id`) a new revision.

    The same text as the latest revision makes no new one; collection, tags and source are
    updated all the same. Nothing is published. Raises InvalidInput, TooLarge or NotFound.
    """
    if external_id is not None:
        clean_external_id(external_id)
    with transaction.atomic():
        found = _lock_or_create(workspace, article=article, external_id=external_id)
        touched = set_metadata(found, collection=collection, tags=tags, source=source)
        latest = found.latest_revision
        if latest is not None and latest.content_hash == content_hash(text):
            if touched:
                found.save()
            return SavedArticle(article=found, revision=latest, created=False, changed=False)
        require_indexable(text)
        revision = new_revision(found, after=latest, text=text, author=author, note=change_note)
        revision.save()
        found.latest_revision = revision
        found.save()
    return SavedArticle(article=found, revision=revision, created=latest is None, changed=True)


def revert_article(
    article: Article, *, revision: Revision, author: User | None = None
) -> SavedArticle:
    """A new revision that says what an older one said; history is never rewritten."""
    if revision.article_id != article.pk:
        raise NotFound("This article has no such revision.")
    text = ArticleText(
        title=revision.title,
        body=revision.body,
        language=revision.language,
        audience=revision.audience,
    )
    return save_article(
        article.workspace,
        text=text,
        article=article,
        author=author,
        change_note=f"Reverted to revision {revision.number}.",
    )


def delete_article(article: Article) -> None:
    """The article and its revisions, for good; out of the very next answer."""
    with transaction.atomic():
        locked = Article.objects.select_for_update().filter(pk=article.pk).first()
        if locked is None:
            return
        announce(locked.workspace_id, [locked.pk])
        locked.delete()


def lock_article(article: Article) -> Article:
    """The row as it is now, locked until the end of the transaction. Raises NotFound."""
    locked = Article.objects.select_for_update().filter(pk=article.pk).first()
    if locked is None:
        raise NotFound("The article was deleted meanwhile.")
    return locked


def _lock_or_create(
    workspace: Workspace, *, article: Article | None, external_id: str | None
) -> Article:
    if article is not None:
        if article.workspace_id != workspace.pk:
            raise NotFound("There is no such article in this workspace.")
        return lock_article(article)
    if external_id is None:
        return Article.objects.create(workspace=workspace)
    mine = Article.objects.select_for_update().filter(workspace=workspace, external_id=external_id)
    if (found := mine.first()) is not None:
        return found
    try:
        with transaction.atomic():
            return Article.objects.create(workspace=workspace, external_id=external_id)
    except IntegrityError:
        return mine.get()  # somebody was quicker


def new_revision(
    article: Article,
    *,
    after: Revision | None,
    text: ArticleText,
    author: User | None,
    note: str,
) -> Revision:
    """The next snapshot, not stored yet; the article must be locked."""
    return Revision(
        workspace_id=article.workspace_id,
        article=article,
        number=after.number + 1 if after else 1,
        title=text.title,
        body=text.body,
        language=text.language,
        audience=text.audience,
        content_hash=content_hash(text),
        author=author,
        change_note=note[:500],
    )


def set_metadata(
    article: Article,
    *,
    collection: Collection | Unset | None,
    tags: Sequence[str] | Unset,
    source: str | Unset,
) -> bool:
    """Put what is given on the article, not stored yet; whether anything changed."""
    before = (article.collection_id, article.tags, article.source)
    if collection is not UNSET:
        if collection is not None and collection.workspace_id != article.workspace_id:
            raise NotFound("There is no such collection in this workspace.")
        article.collection = collection
    if tags is not UNSET:
        article.tags = clean_tags(tags)
    if source is not UNSET:
        article.source = clean_label("source", source)
    return before != (article.collection_id, article.tags, article.source)
