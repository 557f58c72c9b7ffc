"""Index versions: read here, changed by commands."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from embeddings.models import EntryState, IndexVersion
from kb.access import Permission
from kb.admin.base import TenantAdmin

STATE_COLOURS = {"live": "success", "building": "info", "ready": "warning", "standby": "default"}
COUNTED = {
    "done": EntryState.EMBEDDED,
    "waiting": EntryState.PENDING,
    "given_up": EntryState.PARKED,
}


@admin.register(IndexVersion)
class IndexVersionAdmin(TenantAdmin):
    """How far each version is, counted from the rows of published revisions."""

    view_permission = Permission.INDEX_READ
    list_display = [
        "name", "workspace", "state_badge", "done", "waiting", "given_up", "dimension",
        "live_since",
    ]  # fmt: skip
    list_filter = ["workspace", "state"]
    list_select_related = ["workspace"]
    fields = [
        "workspace", "number", "state", "encoder", "fingerprint", "dimension", "strategy",
        "done", "waiting", "given_up", "created_at", "live_since",
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the counts."""
        published = Q(entries__revision__published_of__isnull=False)
        counts = {
            f"{name}_count": Count("entries", filter=published & Q(entries__state=state))
            for name, state in COUNTED.items()
        }
        return super().get_queryset(request).annotate(**counts)

    @display(description="Version", ordering="number")
    def name(self, obj: IndexVersion) -> str:
        """Number and encoder."""
        return f"{obj.number} · {obj.encoder}"

    @display(description="State", ordering="state", label=STATE_COLOURS)
    def state_badge(self, obj: IndexVersion) -> tuple[str, str]:
        """By name."""
        return obj.state, obj.get_state_display()

    @display(description="Searchable", ordering="done_count")
    def done(self, obj: Any) -> int:
        """Published revisions that have their vectors."""
        return int(obj.done_count)

    @display(description="Pending", ordering="waiting_count")
    def waiting(self, obj: Any) -> int:
        """Published revisions that wait for a worker."""
        return int(obj.waiting_count)

    @display(description="Parked", ordering="given_up_count")
    def given_up(self, obj: Any) -> int:
        """Published revisions that failed three times."""
        return int(obj.given_up_count)
