"""Routes of traces. Each answers without the slash at its end too, as it is written at times."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, path

from chat.api.trace_views import TraceDiffView, TraceReplayView, TracesView, TraceView

ROUTES: list[tuple[str, Any, str]] = [
    ("traces", TracesView, "traces"),
    ("traces/<uuid:trace_id>", TraceView, "trace"),
    ("traces/<uuid:trace_id>/replay", TraceReplayView, "trace-replay"),
    ("traces/<uuid:trace_id>/diff", TraceDiffView, "trace-diff"),
]

urlpatterns: list[URLPattern] = [
    *(path(f"{route}/", view.as_view(), name=name) for route, view, name in ROUTES),
    # The schema names each route once.
    *(path(route, view.as_view(schema=None)) for route, view, _ in ROUTES),
]
