"""Workspaces and the people in them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextInputWidget

from kb.access import Permission
from kb.admin.base import TenantAdmin
from kb.admin.scope import sees_everything, user_of
from kb.models import Membership, Workspace
from kb.services import create_workspace
from kb.services.workspaces import SLUG


class WorkspaceForm(forms.ModelForm[Workspace]):
    """A slug must fit a host name label, as the service asks."""

    def clean_slug(self) -> str:
        """Refused at the field, before the service would."""
        slug: str = self.cleaned_data["slug"]
        if not SLUG.fullmatch(slug):
            raise forms.ValidationError("Lower-case letters, digits and hyphens, at most 63.")
        return slug


@admin.register(Workspace)
class WorkspaceAdmin(TenantAdmin):
    """Every member sees the workspace; owners rename it; superusers make new ones."""

    workspace_path = "id"
    view_permission = Permission.ARTICLES_READ
    change_permission = Permission.WORKSPACE_MANAGE
    form = WorkspaceForm
    fields = ["name", "slug", "default_language"]
    list_display = ["name", "slug", "default_language", "created_at"]
    search_fields = ["name", "slug"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A new tenant is the installation's affair."""
        return sees_everything(request)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """The slug is in other people's scripts."""
        return ["slug"] if obj else []

    def save_model(self, request: HttpRequest, obj: Workspace, form: Any, change: bool) -> None:
        """New ones through the service, which gives them an index and an owner."""
        if change:
            super().save_model(request, obj, form, change)
            return
        made = create_workspace(
            slug=obj.slug,
            name=obj.name,
            owner=user_of(request),
            default_language=obj.default_language,
        )
        obj.__dict__.update(made.__dict__)


class MembershipForm(forms.ModelForm[Membership]):
    """A person is named by the user name: a list would show other tenants' people."""

    username = forms.CharField(
        label="User name",
        max_length=150,
        widget=UnfoldAdminTextInputWidget,
        help_text="The exact name that the person signs in with.",
    )

    class Meta:
        model = Membership
        fields = ["workspace", "role"]

    def clean_username(self) -> User:
        """The person of that name."""
        user = User.objects.filter(username=self.cleaned_data["username"], is_active=True).first()
        if user is None:
            raise forms.ValidationError("Nobody signs in with this name.")
        return user

    def clean(self) -> dict[str, Any]:
        """One role in a workspace."""
        values = super().clean() or self.cleaned_data
        user, workspace = values.get("username"), values.get("workspace")
        if user and workspace and not self.instance.pk:
            if Membership.objects.filter(user=user, workspace=workspace).exists():
                self.add_error("username", "This person is a member already.")
            self.instance.user = user
        return values


class RoleForm(forms.ModelForm[Membership]):
    """Of a membership only the role changes."""

    class Meta:
        model = Membership
        fields = ["role"]


@admin.register(Membership)
class MembershipAdmin(TenantAdmin):
    """Who may do what; only owners look at it."""

    view_permission = Permission.WORKSPACE_MANAGE
    add_permission = Permission.WORKSPACE_MANAGE
    change_permission = Permission.WORKSPACE_MANAGE
    delete_permission = Permission.WORKSPACE_MANAGE
    list_display = ["user", "role", "workspace"]
    list_filter = ["workspace", "role"]
    list_select_related = ["user", "workspace"]
    search_fields = ["user__username", "user__email"]

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """People are chosen once."""
        kwargs["form"] = RoleForm if obj else MembershipForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """The person and the workspace are shown, not changed, later on."""
        return ["user", "workspace", "role"] if obj else ["workspace", "username", "role"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """As above."""
        return ["user", "workspace"] if obj else []
