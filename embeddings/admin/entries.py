"""Index entries: what waits, what failed and why; operators retry."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.decorators import display

from embeddings.models import EntryState, IndexEntry
from embeddings.services.entries import retry_parked
from kb.access import Permission
from kb.admin.base import TenantAdmin
from kb.admin.scope import within
from kb.admin.status import register_retry
from kb.admin.views import article_or_404
from kb.models import Article
from kb.services.announcing import announce

STATE_COLOURS = {
    "embedded": "success",
    "pending": "warning",
    "embedding": "info",
    "parked": "danger",
}


@admin.register(IndexEntry)
class IndexEntryAdmin(TenantAdmin):
    """One published revision in one index version."""

    workspace_path = "index_version__workspace_id"
    view_permission = Permission.INDEX_READ
    list_display = [
        "article_title",
        "index_version",
        "state_badge",
        "attempts",
        "queued_at",
        "reason",
    ]
    list_filter = ["state", "index_version"]
    list_select_related = ["revision", "index_version__workspace"]
    search_fields = ["revision__title", "reason"]
    actions = ["retry"]
    fields = [
        "article_title", "index_version", "state", "attempts", "reason", "tokens", "windows",
        "covered_characters", "queued_at", "due_at", "embedded_at", "worker", "lease_until",
    ]  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        """Retry for one article, from its page."""
        view = self.admin_site.admin_view(require_POST(self.retry_article))
        route = path("retry/<int:article_id>/", view, name="embeddings_retry")
        return [route, *super().get_urls()]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """All: workers alone write here."""
        return list(self.fields)

    @admin.action(description="Retry parked entries", permissions=["operate"])
    def retry(self, request: HttpRequest, queryset: QuerySet[IndexEntry]) -> None:
        """Of the chosen rows, those that are parked in workspaces this person operates."""
        mine = within(queryset, request, Permission.INDEX_OPERATE, "index_version__workspace_id")
        chosen = mine.filter(state=EntryState.PARKED).values("revision__article")
        articles = list(Article.objects.filter(pk__in=chosen).select_related("workspace"))
        retried = sum(_retry(article) for article in articles)
        self.message_user(request, f"{retried} given a fresh start.", messages.SUCCESS)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Operators and owners."""
        return self._may(request, Permission.INDEX_OPERATE, None)

    def retry_article(self, request: HttpRequest, article_id: int) -> HttpResponse:
        """The button on an article's page."""
        article = article_or_404(request, article_id, Permission.INDEX_OPERATE)
        _retry(article)
        self.message_user(request, "It will be tried again.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:kb_article_change", args=[article_id]))

    @display(description="Article")
    def article_title(self, obj: IndexEntry) -> str:
        """As in the revision."""
        return f"{obj.revision.title} (revision {obj.revision.number})"

    @display(description="State", ordering="state", label=STATE_COLOURS)
    def state_badge(self, obj: IndexEntry) -> tuple[str, str]:
        """By name."""
        return obj.state, obj.get_state_display()


def _retry(article: Article) -> int:
    retried = retry_parked(article.workspace, articles=[article])
    announce(article.workspace_id, [article.pk])  # a nudge; the sweep would find it too
    return retried


register_retry("admin:embeddings_retry")
