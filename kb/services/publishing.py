"""Which revision answers may use: publish, unpublish, archive, restore."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from kb.errors import Conflict, InvalidInput, NotFound
from kb.models import Article, ArticleEvent, ArticleState, EventKind, Revision
from kb.services.announcing import announce
from kb.services.articles import lock_article


def publish_article(
    article: Article,
    *,
    revision: Revision | None = None,
    actor: User | None = None,
) -> Article:
    """Make a revision (the latest unless named) the published one; twice is once.

    Raises Conflict for an archived article, NotFound for another article's revision.
    """
    with transaction.atomic():
        locked = lock_article(article)
        if locked.state == ArticleState.ARCHIVED:
            raise Conflict("The article is archived; restore it first.")
        chosen = revision or locked.latest_revision
        if chosen is None or chosen.article_id != locked.pk:
            raise NotFound("This article has no such revision.")
        if locked.published_revision_id != chosen.pk:
            locked.published_revision, locked.published_at = chosen, timezone.now()
            locked.state = ArticleState.PUBLISHED
            _store(locked, kind=EventKind.PUBLISHED, actor=actor, note=f"{chosen.number}")
    return locked


def unpublish_article(article: Article, *, actor: User | None = None) -> Article:
    """Out of the very next answer, back to a draft; nothing happens to a draft."""
    with transaction.atomic():
        locked = lock_article(article)
        if locked.state == ArticleState.PUBLISHED:
            _withdraw(locked, ArticleState.DRAFT)
            _store(locked, kind=EventKind.UNPUBLISHED, actor=actor)
    return locked


def archive_article(article: Article, *, reason: str, actor: User | None = None) -> Article:
    """Out of the very next answer and out of the way; kept with its history and the reason."""
    if not reason.strip():
        raise InvalidInput("Say why the article is archived.", field="reason")
    with transaction.atomic():
        locked = lock_article(article)
        if locked.state != ArticleState.ARCHIVED:
            _withdraw(locked, ArticleState.ARCHIVED)
            _store(locked, kind=EventKind.ARCHIVED, actor=actor, note=reason.strip())
    return locked


def restore_article(article: Article, *, actor: User | None = None) -> Article:
    """An archived article becomes a draft again; nothing happens to others."""
    with transaction.atomic():
        locked = lock_article(article)
        if locked.state == ArticleState.ARCHIVED:
            locked.state = ArticleState.DRAFT
            _store(locked, kind=EventKind.RESTORED, actor=actor)
    return locked


def _withdraw(article: Article, state: ArticleState) -> None:
    article.published_revision, article.published_at = None, None
    article.state = state


def _store(article: Article, *, kind: EventKind, actor: User | None, note: str = "") -> None:
    article.save()
    ArticleEvent.objects.create(article=article, kind=kind, actor=actor, note=note[:500])
    announce(article.workspace_id, [article.pk])
