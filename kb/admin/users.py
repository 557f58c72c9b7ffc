"""People who may sign in: an affair of the installation, so of superusers alone."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from kb.admin.base import TenantAdmin
from kb.admin.scope import sees_everything

admin.site.unregister(Group)  # roles decide, not groups
admin.site.unregister(User)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, TenantAdmin):  # type: ignore[misc,type-arg]  # two admins, one list of filters
    """Accounts; which workspaces they reach is said by their memberships."""

    workspace_path = None
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "email", "is_staff", "is_superuser", "is_active", "last_login"]
    list_filter = ["is_staff", "is_superuser", "is_active"]
    filter_horizontal = ()
    fieldsets = [
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        (
            "Access",
            {
                "fields": ("is_active", "is_staff", "is_superuser"),
                "description": "Staff may sign in here and see the workspaces of which they "
                "are members. Superusers see everything.",
            },
        ),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    ]

    def get_queryset(self, request: HttpRequest) -> Any:
        """Nobody, for who is no superuser."""
        rows = super().get_queryset(request)
        return rows if sees_everything(request) else rows.none()

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Superusers."""
        return sees_everything(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers."""
        return sees_everything(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Superusers."""
        return sees_everything(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers."""
        return sees_everything(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: deactivate, so that revisions keep saying who wrote them."""
        return False
