"""Conversations, read as they went."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse

from chat.models import Conversation
from kb.access import Permission
from kb.admin.base import TenantAdmin
from kb.admin.scope import may_in


@admin.register(Conversation)
class ConversationAdmin(TenantAdmin):
    """Messages with what they cite; nobody writes here."""

    view_permission = Permission.CONVERSATIONS_READ
    change_form_template = "chat/admin/conversation.html"
    list_display = ["__str__", "workspace", "language", "message_count", "created_at"]
    list_filter = ["workspace", "created_at"]
    list_select_related = ["workspace"]
    search_fields = ["messages__text"]
    fields = ["workspace", "api_key", "language", "include_internal", "created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the number of messages."""
        return super().get_queryset(request).annotate(size=Count("messages", distinct=True))

    @admin.display(description="Messages", ordering="size")
    def message_count(self, obj: Any) -> int:
        """Of both sides."""
        return int(obj.size)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With the talk itself; three queries however long."""
        talk: Conversation | None = kwargs.get("obj")
        if talk is not None:
            context["talk"] = talk.messages.prefetch_related("citations")
            context["may_trace"] = may_in(request, Permission.TRACES_READ, talk.workspace_id)
        return super().render_change_form(request, context, *args, **kwargs)
