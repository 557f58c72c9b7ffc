"""Index versions: read here, changed by commands."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from unfold.decorators import display
from unfold.views import ChangeList

from embeddings.hnsw import vector_indexes
from embeddings.models import EntryState, IndexVersion
from embeddings.status import describe_indexes
from kb.access import Permission
from kb.admin.base import TenantAdmin

STATE_COLOURS = {"live": "success", "building": "info", "ready": "warning", "standby": "default"}
COUNTED = {
    "done": EntryState.EMBEDDED,
    "waiting": EntryState.PENDING,
    "given_up": EntryState.PARKED,
}


class IndexChangeList(ChangeList):
    """A page of versions with how their vectors are searched, in one query."""

    def get_results(self, request: HttpRequest) -> None:
        """Ask for the whole page."""
        super().get_results(request)
        self.result_list = list(self.result_list)  # type: ignore[has-type]  # set above
        indexes = vector_indexes(self.result_list)
        for version in self.result_list:
            version.vector_indexes = indexes[version.pk]


@admin.register(IndexVersion)
class IndexVersionAdmin(TenantAdmin):
    """How far each version is, counted from the rows of published revisions."""

    view_permission = Permission.INDEX_READ
    list_display = [
        "name", "workspace", "state_badge", "done", "waiting", "given_up", "vector_search",
        "dimension", "live_since",
    ]  # fmt: skip
    list_filter = ["workspace", "state"]
    list_select_related = ["workspace"]
    fields = [
        "workspace", "number", "state", "encoder", "fingerprint", "dimension", "strategy",
        "vector_search", "done", "waiting", "given_up", "created_at", "live_since",
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the counts."""
        published = Q(entries__revision__published_of__isnull=False)
        counts = {
            f"{name}_count": Count("entries", filter=published & Q(entries__state=state))
            for name, state in COUNTED.items()
        }
        return super().get_queryset(request).annotate(**counts)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """One that knows the indexes."""
        return IndexChangeList

    @display(description="Vector search")
    def vector_search(self, obj: Any) -> str:
        """Exact, or by an index: its size, or how far its build is."""
        indexes = getattr(obj, "vector_indexes", None)
        return describe_indexes(vector_indexes([obj])[obj.pk] if indexes is None else indexes)

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
