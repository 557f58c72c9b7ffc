"""Traces: why an answer was given, laid out to be read, replayed and compared."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern

from chat.admin import playground, replays
from chat.admin.trace_page import describe
from chat.models import Trace
from chat.tracing.diff import diff_traces
from kb.access import Permission
from kb.admin.base import TenantAdmin


@admin.register(Trace)
class TraceAdmin(TenantAdmin):
    """Read-only: the question, what each leg found, the context, the answer, the timings."""

    view_permission = Permission.TRACES_READ
    change_form_template = "chat/admin/trace.html"
    list_display = [
        "said", "workspace", "abstained", "confidence", "profile", "is_replay", "created_at",
    ]  # fmt: skip
    list_filter = ["workspace", "abstained", "created_at"]
    list_select_related = ["workspace"]
    search_fields = ["question", "answer"]
    fields = ["workspace", "profile", "encoder_fingerprint", "include_internal", "created_at"]

    def get_urls(self) -> list[URLPattern]:
        """The playground, replays and comparisons beside Django's own."""
        return [*playground.routes(self), *replays.routes(self), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Lists do without the detail, which is large; a trace's own page loads it."""
        return super().get_queryset(request).defer("detail")

    @admin.display(description="Question", ordering="question")
    def said(self, obj: Trace) -> str:
        """What was asked, if it was kept."""
        return str(obj)

    @admin.display(description="Replay", boolean=True)
    def is_replay(self, obj: Trace) -> bool:
        """Whether staff asked again what a visitor had asked."""
        return obj.replay_of_id is not None

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With the detail as tables."""
        trace: Trace | None = kwargs.get("obj")
        if trace is not None:
            original = trace.replay_of
            diff = diff_traces(original, trace) if original else None
            context.update(trace=trace, page=describe(trace, diff=diff))
            context.update(replays.around(request, trace))
        return super().render_change_form(request, context, *args, **kwargs)
