"""What the page of an article says about the index."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from kb.access import Permission
from kb.admin.scope import may_in
from kb.indexing import Freshness, FreshnessState, indexing_status
from kb.models import Article

SETTLED = (FreshnessState.SEARCHABLE, FreshnessState.NOT_PUBLISHED, FreshnessState.FAILED)

# Names of admin routes that take an article's id and POST; the app that owns the index
# registers its own (kb imports nothing above it).
_retry_routes: list[str] = []


def register_retry(route: str) -> None:
    """Offer a Retry button for failed articles that posts to this admin route."""
    _retry_routes[:] = [route]


def status_context(request: HttpRequest, article: Article) -> dict[str, Any]:
    """For `kb/admin/status.html`."""
    freshness = (
        indexing_status()
        .freshness([article.pk])
        .get(article.pk, Freshness(state=FreshnessState.NOT_PUBLISHED))
    )
    return {
        "article": article,
        "freshness": freshness,
        "coverage": coverage_percent(freshness),
        "settled": freshness.state in SETTLED,
        "retry_url": _retry_url(request, article),
    }


def coverage_percent(freshness: Freshness) -> int | None:
    """Share of the characters that are in the index, rounded down; None when unknown."""
    if freshness.covered_characters is None or not freshness.total_characters:
        return None
    return min(100, 100 * freshness.covered_characters // freshness.total_characters)


def _retry_url(request: HttpRequest, article: Article) -> str:
    if not _retry_routes or not may_in(request, Permission.INDEX_OPERATE, article.workspace_id):
        return ""
    return reverse(_retry_routes[0], args=[article.pk])
