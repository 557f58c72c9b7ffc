"""Traces: why an answer was given, laid out to be read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from chat.admin.trace_page import describe
from chat.models import Trace
from kb.access import Permission
from kb.admin.base import TenantAdmin


@admin.register(Trace)
class TraceAdmin(TenantAdmin):
    """Read-only: the question, what each leg found, the context, the answer, the timings."""

    view_permission = Permission.TRACES_READ
    change_form_template = "chat/admin/trace.html"
    list_display = ["question", "workspace", "abstained", "confidence", "profile", "created_at"]
    list_filter = ["workspace", "abstained", "created_at"]
    list_select_related = ["workspace"]
    search_fields = ["question", "answer"]
    fields = ["workspace", "profile", "encoder_fingerprint", "include_internal", "created_at"]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With the detail as tables."""
        trace: Trace | None = kwargs.get("obj")
        if trace is not None:
            context.update(trace=trace, page=describe(trace))
        return super().render_change_form(request, context, *args, **kwargs)
