"""Collections."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from kb.access import Permission
from kb.admin.base import TenantAdmin
from kb.models import Collection


@admin.register(Collection)
class CollectionAdmin(TenantAdmin):
    """Shelves of a workspace; a shelf never moves to another workspace."""

    view_permission = Permission.ARTICLES_READ
    add_permission = Permission.ARTICLES_WRITE
    change_permission = Permission.ARTICLES_WRITE
    delete_permission = Permission.ARTICLES_WRITE
    fields = ["workspace", "name", "slug"]
    list_display = ["name", "slug", "workspace", "article_count"]
    list_filter = ["workspace"]
    list_select_related = ["workspace"]
    search_fields = ["name", "slug"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the number of articles."""
        return super().get_queryset(request).annotate(size=Count("articles"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """The workspace is chosen once."""
        return ["workspace"] if obj else []

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        """A slug is proposed from the name, for new shelves only."""
        return {} if obj else {"slug": ["name"]}

    @admin.display(description="Articles", ordering="size")
    def article_count(self, obj: Any) -> int:
        """How many stand on it."""
        return int(obj.size)
