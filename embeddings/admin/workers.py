"""Signs of life of the workers, which serve every workspace."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from embeddings.models import WorkerHeartbeat
from kb.admin.base import TenantAdmin
from kb.admin.scope import sees_everything


@admin.register(WorkerHeartbeat)
class WorkerHeartbeatAdmin(TenantAdmin):
    """Of the whole installation, so of superusers alone: an activity may name any tenant's work."""

    workspace_path = None
    list_display = ["worker", "seen_at", "activity"]

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Superusers."""
        return sees_everything(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Superusers."""
        return sees_everything(request)
