"""Token spend: read only, by the workspaces whose index a person may see."""

from __future__ import annotations

from django.contrib import admin

from embeddings.models import TokenSpend
from kb.access import Permission
from kb.admin.base import TenantAdmin


@admin.register(TokenSpend)
class TokenSpendAdmin(TenantAdmin):
    """What paid encoders counted, per day."""

    view_permission = Permission.INDEX_READ
    list_display = ["day", "workspace", "encoder", "tokens"]
    list_filter = ["workspace", "encoder"]
    list_select_related = ["workspace"]
    fields = ["day", "workspace", "encoder", "tokens"]
