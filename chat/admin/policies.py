"""What a workspace keeps of its questions: its owners decide."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from phonenumbers import SUPPORTED_REGIONS
from unfold.widgets import UnfoldAdminTextInputWidget

from chat.models import TracePolicy
from kb.access import Permission
from kb.admin.base import TenantAdmin


class TracePolicyForm(forms.ModelForm[TracePolicy]):
    """Countries are written with commas between them."""

    phone_regions = forms.CharField(
        required=False,
        label="Countries of phone numbers",
        widget=UnfoldAdminTextInputWidget,
        help_text="Whose numbers are known without +, as codes with commas: DE, AT. "
        "Empty: by the workspace's language.",
    )

    class Meta:
        model = TracePolicy
        fields = ["workspace", "keep_days", "redact", "keep_texts", "phone_regions"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["phone_regions"] = ", ".join(self.instance.phone_regions)

    def clean_phone_regions(self) -> list[str]:
        """Known codes only: a misspelt one would mask nothing."""
        given = self.cleaned_data["phone_regions"].upper().split(",")
        codes = list(dict.fromkeys(code for each in given if (code := each.strip())))
        unknown = sorted(set(codes) - set(SUPPORTED_REGIONS))
        if unknown:
            raise forms.ValidationError(f"Unknown: {', '.join(unknown)}.")
        return codes


@admin.register(TracePolicy)
class TracePolicyAdmin(TenantAdmin):
    """One per workspace; deleting it brings the defaults back."""

    view_permission = Permission.WORKSPACE_MANAGE
    add_permission = Permission.WORKSPACE_MANAGE
    change_permission = Permission.WORKSPACE_MANAGE
    delete_permission = Permission.WORKSPACE_MANAGE
    form = TracePolicyForm
    list_display = ["workspace", "keep_days", "redact", "keep_texts"]
    list_filter = ["workspace"]
    list_select_related = ["workspace"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """A policy never moves to another workspace."""
        return ["workspace"] if obj else []
