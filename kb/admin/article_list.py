"""The list of articles: columns, and what the index says of each."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display
from unfold.views import ChangeList

from kb.admin.base import TenantAdmin
from kb.indexing import Freshness, FreshnessState, indexing_status
from kb.models import Article

STATE_COLOURS = {"draft": "info", "published": "success", "archived": "default"}
AUDIENCE_COLOURS = {"public": "default", "internal": "warning"}
INDEX_COLOURS = {
    FreshnessState.SEARCHABLE: "success",
    FreshnessState.PENDING: "warning",
    FreshnessState.EMBEDDING: "info",
    FreshnessState.FAILED: "danger",
}


class FreshnessChangeList(ChangeList):
    """Asks the index once for all articles of the page."""

    def get_results(self, request: HttpRequest) -> None:
        """Each article of the page gets `freshness`."""
        super().get_results(request)
        self.result_list = list(self.result_list)  # type: ignore[has-type]  # set above
        known = indexing_status().freshness([article.pk for article in self.result_list])
        for article in self.result_list:
            article.freshness = known.get(article.pk)


class ArticleListAdmin(TenantAdmin):
    """Columns, filters and search."""

    list_display = [
        "title", "state_badge", "index_badge", "collection", "language", "audience_badge",
        "workspace", "updated_at",
    ]  # fmt: skip
    list_filter = [
        "workspace",
        "state",
        "collection",
        ("latest_revision__audience", admin.ChoicesFieldListFilter),
        ("latest_revision__language", admin.AllValuesFieldListFilter),
    ]
    search_fields = ["latest_revision__title", "external_id", "tags"]
    search_help_text = "Search titles, tags and external ids"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With all that the columns read."""
        rows = super().get_queryset(request)
        return rows.select_related("workspace", "collection", "latest_revision")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """With freshness."""
        return FreshnessChangeList

    @display(description="Title", ordering="latest_revision__title")
    def title(self, obj: Article) -> str:
        """As last saved."""
        return str(obj)

    @display(description="State", ordering="state", label=STATE_COLOURS)
    def state_badge(self, obj: Article) -> tuple[str, str]:
        """Draft, published or archived."""
        return obj.state, obj.get_state_display()

    @display(description="Language", ordering="latest_revision__language")
    def language(self, obj: Article) -> str:
        """By name."""
        revision = obj.latest_revision
        return revision.get_language_display() if revision else ""

    @display(description="Audience", ordering="latest_revision__audience", label=AUDIENCE_COLOURS)
    def audience_badge(self, obj: Article) -> tuple[str, str] | None:
        """Public or internal."""
        revision = obj.latest_revision
        return (revision.audience, revision.get_audience_display()) if revision else None

    @display(description="Index", label=INDEX_COLOURS)
    def index_badge(self, obj: Any) -> tuple[str, str] | None:
        """Whether answers can use it."""
        freshness: Freshness | None = getattr(obj, "freshness", None)
        if freshness is None or freshness.state == FreshnessState.NOT_PUBLISHED:
            return None
        return freshness.state, freshness.state.replace("_", " ").title()
