"""Stores a batch of articles in one transaction, with a constant number of statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from kb.content import content_hash
from kb.importing.checking import text_of_item
from kb.importing.items import ImportItem
from kb.models import (
    Article,
    ArticleEvent,
    ArticleState,
    Audience,
    Collection,
    EventKind,
    Revision,
    Workspace,
)
from kb.services.announcing import announce
from kb.services.articles import UNSET, new_revision, set_metadata

STORED_FIELDS = [
    "collection", "tags", "source", "state", "latest_revision", "published_revision",
    "published_at", "updated_at",
]  # fmt: skip
REVISIONS_PER_STATEMENT = 20  # of up to a megabyte each


@dataclass(slots=True)
class Work:
    """An article of the batch, locked, on its way to what the item says."""

    item: ImportItem
    article: Article
    latest: Revision | None
    revision: Revision | None = None
    touched: bool = False
    published: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a batch, in articles."""

    created: int
    updated: int
    unchanged: int
    published: int
    left_archived: int


def store_batch(
    workspace: Workspace,
    items: Sequence[ImportItem],
    *,
    collections: Mapping[str, Collection],
    publish: bool,
    author: User | None,
) -> Outcome:
    """Create or update the items' articles, by external id; items are checked and distinct."""
    now = timezone.now()
    with transaction.atomic():
        works = _lock_articles(workspace, items)
        for work in works:
            _apply(work, workspace, collections, author)
        _store_revisions(works)
        if publish:
            _publish(works, author, now)
        _store_articles(works, now)
        if published := [work.article.pk for work in works if work.published]:
            announce(workspace.pk, published, bulk=True)
    return _outcome_of(works, publish=publish)


def _lock_articles(workspace: Workspace, items: Sequence[ImportItem]) -> list[Work]:
    """Made where there is none, and locked, in one order whoever else imports the same."""
    wanted = {item.external_id: item for item in items}
    mine = Article.objects.in_workspace(workspace).filter(external_id__in=wanted)
    missing = set(wanted) - set(mine.values_list("external_id", flat=True))
    Article.objects.bulk_create(
        [Article(workspace=workspace, external_id=each) for each in sorted(missing)],
        ignore_conflicts=True,
    )
    articles = list(mine.select_for_update().order_by("external_id"))
    # Not joined to the locking query: after a wait its join would still see the old revision.
    latest = Revision.objects.defer("body", "search").in_bulk(
        [article.latest_revision_id for article in articles if article.latest_revision_id]
    )
    return [
        Work(wanted[str(each.external_id)], each, latest.get(each.latest_revision_id or 0))
        for each in articles
    ]


def _apply(
    work: Work,
    workspace: Workspace,
    collections: Mapping[str, Collection],
    author: User | None,
) -> None:
    """What an item leaves open stays as it is: an import makes nothing internal public."""
    item, latest = work.item, work.latest
    work.touched = set_metadata(
        work.article,
        collection=collections[item.collection] if item.collection else UNSET,
        tags=UNSET if item.tags is None else item.tags,
        source=UNSET if item.source is None else item.source,
    )
    text = text_of_item(
        item,
        language=latest.language if latest else workspace.default_language,
        audience=latest.audience if latest else Audience.PUBLIC,
    )
    if latest is None or latest.content_hash != content_hash(text):
        note = f"Imported from {item.origin}."
        work.revision = new_revision(
            work.article, after=latest, text=text, author=author, note=note
        )


def _store_revisions(works: Sequence[Work]) -> None:
    revisions = [work.revision for work in works if work.revision]
    Revision.objects.bulk_create(revisions, batch_size=REVISIONS_PER_STATEMENT)
    for work in works:
        if work.revision:
            work.article.latest_revision = work.revision
            work.touched = True


def _publish(works: Sequence[Work], author: User | None, now: datetime) -> None:
    for work in works:
        article = work.article
        current = article.published_revision_id == article.latest_revision_id
        if article.state != ArticleState.ARCHIVED and not current:
            article.state, article.published_at = ArticleState.PUBLISHED, now
            article.published_revision_id = article.latest_revision_id
            work.published = work.touched = True
    ArticleEvent.objects.bulk_create(
        ArticleEvent(
            article=work.article,
            kind=EventKind.PUBLISHED,
            actor=author,
            note=str((work.revision or work.latest or Revision()).number),
        )
        for work in works
        if work.published
    )


def _store_articles(works: Sequence[Work], now: datetime) -> None:
    touched = [work.article for work in works if work.touched]
    for article in touched:
        article.updated_at = now
    Article.objects.bulk_update(touched, STORED_FIELDS)


def _outcome_of(works: Sequence[Work], *, publish: bool) -> Outcome:
    archived = sum(work.article.state == ArticleState.ARCHIVED for work in works)
    return Outcome(
        created=sum(work.latest is None for work in works),
        updated=sum(work.latest is not None and work.revision is not None for work in works),
        unchanged=sum(work.revision is None for work in works),
        published=sum(work.published for work in works),
        left_archived=archived if publish else 0,
    )
