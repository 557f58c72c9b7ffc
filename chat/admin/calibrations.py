"""Calibrations: how good each is, which is in use; put into use and taken out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.decorators import display

from chat.admin.calibration_page import describe_calibration
from chat.models import Calibration
from chat.services.calibration import activate_calibration, deactivate_calibration
from kb.access import Permission, caller_for_member
from kb.admin.base import TenantAdmin
from kb.admin.scope import may_in, user_of
from kb.admin.views import object_or_404
from kb.errors import Conflict

Switch = Callable[..., Calibration]


@admin.register(Calibration)
class CalibrationAdmin(TenantAdmin):
    """Read only, but for the switch and deleting."""

    view_permission = Permission.EVALUATE
    delete_permission = Permission.INDEX_OPERATE
    change_form_template = "chat/admin/calibration.html"
    list_display = [
        "name", "workspace", "state_badge", "encoder", "generator", "questions", "auroc_shown",
        "error_shown", "made_at",
    ]  # fmt: skip
    list_filter = ["workspace", "active"]
    list_select_related = ["workspace", "run"]
    fields = [
        "workspace", "run", "encoder", "fingerprint", "generator", "questions", "right", "made_at",
    ]  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        """The switch beside the page."""
        view = self.admin_site.admin_view
        switches: dict[str, tuple[Switch, str]] = {
            "activate": (activate_calibration, "In use from the next question on."),
            "deactivate": (deactivate_calibration, "Out of use from the next question on."),
        }
        own = [
            path(
                f"<int:pk>/{name}/",
                view(self.switching(service, told)),
                name=f"chat_calibration_{name}",
            )
            for name, (service, told) in switches.items()
        ]
        return [*own, *super().get_urls()]

    def switching(self, service: Switch, told: str) -> Callable[[HttpRequest, int], HttpResponse]:
        """A view that calls one service and says so."""

        @require_POST
        def switch(request: HttpRequest, pk: int) -> HttpResponse:
            row = object_or_404(self, request, pk, Permission.INDEX_OPERATE)
            try:
                service(caller_for_member(user_of(request), row.workspace), calibration=row)
            except Conflict as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                self.message_user(request, told, messages.SUCCESS)
            return HttpResponseRedirect(reverse("admin:chat_calibration_change", args=[pk]))

        return switch

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With figures, plots and the switch."""
        row: Calibration | None = kwargs.get("obj")
        if row is not None:
            context.update(
                calibration=row,
                page=describe_calibration(row),
                may_switch=may_in(request, Permission.INDEX_OPERATE, row.workspace_id),
            )
        return super().render_change_form(request, context, *args, **kwargs)

    @display(description="Fitted to", ordering="pk")
    def name(self, obj: Calibration) -> str:
        """The run, if it is still there."""
        return str(obj.run) if obj.run else str(obj)

    @display(description="State", ordering="active", label={"in use": "success"})
    def state_badge(self, obj: Calibration) -> str:
        """In words."""
        return "in use" if obj.active else "not in use"

    @display(description="AUROC", ordering="auroc")
    def auroc_shown(self, obj: Calibration) -> str:
        """Cross-validated."""
        return f"{obj.auroc:.3f}"

    @display(description="Calibration error", ordering="calibration_error")
    def error_shown(self, obj: Calibration) -> str:
        """Cross-validated."""
        return f"{obj.calibration_error:.3f}"
