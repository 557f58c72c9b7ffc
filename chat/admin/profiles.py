"""Saved retrieval settings, for reading."""

from __future__ import annotations

from django.contrib import admin

from chat.models import RetrievalProfile
from kb.access import Permission
from kb.admin.base import TenantAdmin


@admin.register(RetrievalProfile)
class RetrievalProfileAdmin(TenantAdmin):
    """A workspace's own settings."""

    view_permission = Permission.INDEX_READ
    list_display = ["name", "workspace", "is_default"]
    list_filter = ["workspace"]
    list_select_related = ["workspace"]
