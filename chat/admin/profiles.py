"""Saved retrieval settings."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from chat.models import RetrievalProfile
from chat.retrieval.settings import PipelineSettings
from chat.services.profiles import check_profile, save_profile
from kb.access import Permission, caller_for_member
from kb.admin.base import TenantAdmin
from kb.admin.scope import user_of
from kb.errors import InvalidInput


class RetrievalProfileForm(forms.ModelForm[RetrievalProfile]):
    """What the pipeline would not take is said at the field."""

    class Meta:
        model = RetrievalProfile
        fields = ["workspace", "name", "is_default", "settings"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        values = PipelineSettings().as_json()
        shipped = ", ".join(f"{k}: {v!r}" for k, v in values.items() if k != "name")
        if "settings" in self.fields:
            self.fields["settings"].help_text = f"What differs from the shipped ones ({shipped})."

    def clean(self) -> dict[str, Any]:
        """By the pipeline's own check."""
        values = super().clean() or self.cleaned_data
        if "settings" in values:
            try:
                check_profile(values.get("name") or self.instance.name, values["settings"])
            except InvalidInput as error:
                self.add_error("settings", str(error))
        return values


@admin.register(RetrievalProfile)
class RetrievalProfileAdmin(TenantAdmin):
    """A workspace's own settings."""

    view_permission = Permission.INDEX_READ
    add_permission = Permission.INDEX_OPERATE
    change_permission = Permission.INDEX_OPERATE
    delete_permission = Permission.INDEX_OPERATE
    form = RetrievalProfileForm
    list_display = ["name", "workspace", "is_default"]
    list_filter = ["workspace"]
    list_select_related = ["workspace"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """A profile keeps its workspace and its name."""
        return ["workspace", "name"] if obj else []

    def save_model(
        self, request: HttpRequest, obj: RetrievalProfile, form: Any, change: bool
    ) -> None:
        """Through the service; the form has checked the settings."""
        saved = save_profile(
            caller_for_member(user_of(request), obj.workspace),
            name=obj.name,
            settings=obj.settings,
            is_default=obj.is_default,
        )
        obj.__dict__.update(saved.__dict__)
