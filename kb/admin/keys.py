"""API keys: made here, shown once, revoked here."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from kb.access import Permission
from kb.admin.base import TenantAdmin
from kb.admin.views import object_or_404
from kb.models import ApiKey, Scope
from kb.services import create_api_key, revoke_api_key


class ApiKeyForm(forms.ModelForm[ApiKey]):
    """Everything about a key is settled when it is made."""

    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    class Meta:
        model = ApiKey
        fields = ["workspace", "name", "scopes", "expires_at"]


@admin.register(ApiKey)
class ApiKeyAdmin(TenantAdmin):
    """Owners make and revoke keys; a key never changes."""

    add_permission = Permission.WORKSPACE_MANAGE
    form = ApiKeyForm
    change_form_template = "kb/admin/api_key.html"
    list_display = ["name", "prefix", "workspace", "status", "scope_names", "last_used_at"]
    list_filter = ["workspace"]
    list_select_related = ["workspace"]
    search_fields = ["name", "prefix"]
    _made_fields = [
        "name", "workspace", "prefix", "scope_names", "created_at", "expires_at", "revoked_at",
        "last_used_at",
    ]  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        """Revoking is a POST of its own."""
        revoke = self.admin_site.admin_view(require_POST(self.revoke_view))
        route = path("<int:key_id>/revoke/", revoke, name="kb_apikey_revoke")
        return [route, *super().get_urls()]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """What is asked for a new one, what is known of an old one."""
        return self._made_fields if obj else ["workspace", "name", "scopes", "expires_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """As above."""
        return self._made_fields if obj else []

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        """Through the service; the token stays in this request only."""
        made, token = create_api_key(
            obj.workspace, name=obj.name, scopes=obj.scopes, expires_at=obj.expires_at
        )
        obj.__dict__.update(made.__dict__)
        request.__dict__["new_token"] = token

    def response_add(
        self, request: HttpRequest, obj: Model, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The one page that ever shows the token: not stored, not cached, not logged."""
        context = {
            **self.admin_site.each_context(request),
            "title": "API key created",
            "opts": self.opts,
            "key": obj,
            "token": request.__dict__.pop("new_token"),
        }
        response = TemplateResponse(request, "kb/admin/new_key.html", context)
        response["Cache-Control"] = "no-store"
        return response

    def revoke_view(self, request: HttpRequest, key_id: int) -> HttpResponse:
        """For good, and from the next request on."""
        key = object_or_404(self, request, key_id, Permission.WORKSPACE_MANAGE)
        revoke_api_key(key)
        self.log_change(request, key, "Revoked.")
        self.message_user(request, f"The key {key.name} opens nothing any more.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:kb_apikey_change", args=[key.pk]))

    @display(description="Status", label={"usable": "success", "revoked": "danger"})
    def status(self, obj: ApiKey) -> str:
        """Usable, revoked or expired."""
        if obj.revoked_at:
            return "revoked"
        return "usable" if obj.usable else "expired"

    @display(description="Scopes")
    def scope_names(self, obj: ApiKey) -> str:
        """By name."""
        return ", ".join(obj.scopes)
