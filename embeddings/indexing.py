"""Tells the knowledge base how its articles fare in the live index (the seam `kb.indexing`)."""

from __future__ import annotations

import time
from collections.abc import Collection

from django.db.models.functions import Length

from embeddings.models import EntryState, IndexEntry, VersionState
from kb.indexing import Freshness, FreshnessState, register
from kb.models import Article

POLL_SECONDS = 0.1

STATES = {
    EntryState.PENDING: FreshnessState.PENDING,
    EntryState.EMBEDDING: FreshnessState.EMBEDDING,
    EntryState.EMBEDDED: FreshnessState.SEARCHABLE,
    EntryState.PARKED: FreshnessState.FAILED,
}


class LiveIndexStatus:
    """Asks the entries of each article's live index version."""

    def freshness(self, article_ids: Collection[int]) -> dict[int, Freshness]:
        """Two queries, however many articles."""
        articles = Article.objects.filter(pk__in=article_ids).annotate(
            characters=Length("published_revision__body")
        )
        entries = {
            entry.revision_id: entry
            for entry in IndexEntry.objects.select_related("index_version").filter(
                index_version__state=VersionState.LIVE,
                revision__published_of__pk__in=article_ids,
            )
        }
        return {
            article.pk: _freshness(article, entries.get(article.published_revision_id or 0))
            for article in articles
        }

    def wait(self, article_ids: Collection[int], *, timeout: float) -> bool:
        """Polls the rows; True at once when nothing is pending."""
        deadline = time.monotonic() + timeout
        while True:
            states = {each.state for each in self.freshness(article_ids).values()}
            if states <= {FreshnessState.SEARCHABLE, FreshnessState.NOT_PUBLISHED}:
                return True
            if FreshnessState.FAILED in states or time.monotonic() >= deadline:
                return False
            time.sleep(POLL_SECONDS)


def register_indexing_status() -> None:
    """Called once, when the app is ready."""
    register(LiveIndexStatus())


def _freshness(article: Article, entry: IndexEntry | None) -> Freshness:
    if article.published_revision_id is None:
        return Freshness(state=FreshnessState.NOT_PUBLISHED)
    characters: int = article.characters  # type: ignore[attr-defined]  # annotated by the caller
    if entry is None:
        return Freshness(
            state=FreshnessState.PENDING,
            revision_id=article.published_revision_id,
            total_characters=characters,
        )
    since = entry.embedded_at if entry.state == EntryState.EMBEDDED else None
    return Freshness(
        state=STATES[EntryState(entry.state)],
        revision_id=entry.revision_id,
        searchable_since=since,
        lag_seconds=(since - entry.queued_at).total_seconds() if since else None,
        reason=entry.reason,
        tokens=entry.tokens,
        covered_characters=entry.covered_characters,
        total_characters=characters,
        index_version=entry.index_version.number,
    )
