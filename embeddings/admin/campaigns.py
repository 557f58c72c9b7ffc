"""Campaigns over the workspaces of the whole installation: superusers' alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.decorators import display

from embeddings.admin.campaign_form import CampaignForm
from embeddings.models import Campaign, CampaignState
from embeddings.services.campaigns import pause_campaign, resume_campaign, stop_campaign
from embeddings.services.moving import Actor
from embeddings.watching.campaign_status import campaign_status
from kb.admin.base import TenantAdmin
from kb.admin.scope import sees_everything, user_of
from kb.errors import DomainError

STATE_COLOURS = {"running": "info", "paused": "warning", "stopped": "danger", "done": "success"}
STEERING: dict[str, Callable[..., Campaign]] = {
    "pause": pause_campaign,
    "resume": resume_campaign,
    "stop": stop_campaign,
}
OFFERED = {
    CampaignState.RUNNING: ("pause", "stop"),
    CampaignState.PAUSED: ("resume", "stop"),
    CampaignState.STOPPED: ("resume",),
}


@admin.register(Campaign)
class CampaignAdmin(TenantAdmin):
    """They reach into every workspace, so no role in one of them opens this."""

    workspace_path = None
    change_form_template = "embeddings/admin/campaign.html"
    list_display = ["name", "encoder", "state_badge", "order", "concurrency", "created_at"]
    list_filter = ["state"]
    fields = [
        "name", "state", "reason", "encoder", "strategy", "order", "concurrency",
        "stop_on_failure", "cut_over", "tokens_per_second", "night_from", "night_until", "actor",
        "created_at", "done_at",
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """All or none."""
        rows = super().get_queryset(request)
        return rows if sees_everything(request) else rows.none()

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Superusers."""
        return sees_everything(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Superusers."""
        return sees_everything(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Superusers."""
        return sees_everything(request)

    def get_urls(self) -> list[URLPattern]:
        """Steering is a POST of its own."""
        view = self.admin_site.admin_view(require_POST(self.steer_view))
        route = path("<int:campaign_id>/<str:action>/now/", view, name="embeddings_campaign_steer")
        return [route, *super().get_urls()]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Through the service; what it refuses is told at the form."""
        if not sees_everything(request):
            raise PermissionDenied
        form = CampaignForm(request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid():
            try:
                campaign = form.start(actor=_actor(request))
            except DomainError as error:
                form.add_error(None, str(error))
            else:
                self.message_user(request, f"{campaign.name} begins.", messages.SUCCESS)
                return _page_of(campaign.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": "Start a campaign",
            "opts": self.opts,
            "form": form,
        }
        return TemplateResponse(request, "embeddings/admin/campaign_start.html", context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """With how far each workspace is, and what can be done now."""
        campaign: Campaign = context["original"]
        offered = OFFERED.get(CampaignState(campaign.state), ())
        more = {"status": campaign_status(campaign), "offered": offered}
        return super().render_change_form(request, context | more, *args, **kwargs)

    def steer_view(self, request: HttpRequest, campaign_id: int, action: str) -> HttpResponse:
        """Pause, resume or stop."""
        if not sees_everything(request):
            raise PermissionDenied
        campaign = Campaign.objects.filter(pk=campaign_id).first()
        if campaign is None or action not in STEERING:
            raise Http404
        try:
            moved = STEERING[action](campaign, actor=_actor(request))
            self.log_change(request, moved, f"{action.capitalize()}.")
            self.message_user(request, f"It is {moved.state}.", messages.SUCCESS)
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
        return _page_of(campaign_id)

    @display(description="State", ordering="state", label=STATE_COLOURS)
    def state_badge(self, obj: Campaign) -> tuple[str, str]:
        """By name."""
        return obj.state, obj.get_state_display()


def _actor(request: HttpRequest) -> Actor:
    user = user_of(request)
    return Actor(name=user.get_username(), user=user)


def _page_of(campaign_id: int) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:embeddings_campaign_change", args=[campaign_id]))
