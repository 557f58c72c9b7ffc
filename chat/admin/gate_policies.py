"""What a workspace asks of a new index version, and the pages of verdicts and shadows."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import ManyToManyField
from django.forms import ModelMultipleChoiceField
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET, require_POST

from chat.admin.shadow_views import shadow_view
from chat.admin.verdict_views import judge_view, verdict_view
from chat.models import GatePolicy, QuestionSet
from kb.access import Permission
from kb.admin.base import TenantAdmin
from kb.admin.scope import within


class GatePolicyForm(forms.ModelForm[GatePolicy]):
    """Question sets of the policy's own workspace."""

    class Meta:
        model = GatePolicy
        fields = [
            "workspace", "required", "measure", "margin", "leg_margin", "min_questions",
            "question_sets",
        ]  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "question_sets" in self.fields:
            sets = self.fields["question_sets"]
            sets.queryset = sets.queryset.filter(workspace=self.instance.workspace_id)  # type: ignore[attr-defined]  # of a ModelMultipleChoiceField

    def clean(self) -> dict[str, Any]:
        """No set of another workspace."""
        values = super().clean() or self.cleaned_data
        workspace = values.get("workspace") or self.instance.workspace_id
        mine = getattr(workspace, "pk", workspace)
        others = [each for each in values.get("question_sets", []) if each.workspace_id != mine]
        if others:
            names = ", ".join(str(each) for each in others)
            self.add_error("question_sets", f"Of another workspace: {names}.")
        return values


@admin.register(GatePolicy)
class GatePolicyAdmin(TenantAdmin):
    """One per workspace; deleting it brings the defaults back."""

    view_permission = Permission.EVALUATE
    add_permission = Permission.WORKSPACE_MANAGE
    change_permission = Permission.WORKSPACE_MANAGE
    delete_permission = Permission.WORKSPACE_MANAGE
    form = GatePolicyForm
    list_display = ["workspace", "required", "measure", "margin", "leg_margin", "min_questions"]
    list_filter = ["workspace"]
    list_select_related = ["workspace"]

    def get_urls(self) -> list[URLPattern]:
        """Pages of index versions: what was judged, and what the shadow showed."""
        view = self.admin_site.admin_view
        pages = (
            ("verdict", "chat_verdict", require_GET(verdict_view)),
            ("judge", "chat_verdict_judge", require_POST(judge_view)),
            ("shadow", "chat_shadow", require_GET(shadow_view)),
        )
        return [
            *(path(f"version/<int:pk>/{end}/", view(page), name=name) for end, name, page in pages),
            *super().get_urls(),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """A policy never moves to another workspace."""
        return ["workspace"] if obj else []

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelMultipleChoiceField[Any] | None:
        """Choices are sets of the workspaces whose policy this person may write."""
        mine = within(QuestionSet.objects.all(), request, self.change_permission, "workspace_id")
        return super().formfield_for_manytomany(db_field, request, queryset=mine, **kwargs)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Named alone: the sets stay."""
        return [str(each) for each in objs], {"gate policies": len(objs)}, set(), []
