"""Webhooks: endpoints made here, their secret shown once; deliveries with their reasons."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Count, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from kb.access import Permission
from kb.admin.base import TenantAdmin
from kb.admin.scope import user_of
from kb.admin.views import object_or_404
from kb.errors import Conflict, OutboundRefused
from kb.events import known_events
from kb.models import WebhookDelivery, WebhookEndpoint
from kb.models.webhook import EVERY_EVENT
from kb.outbound import parse_url
from kb.services.webhooks import (
    change_endpoint,
    create_endpoint,
    retry_delivery,
    send_test_event,
)

STATE_COLOURS = {"pending": "warning", "delivered": "success", "failed": "danger"}


def event_choices() -> list[tuple[str, str]]:
    """Each event with what it means."""
    named = [(name, f"{name}: {meaning}") for name, meaning in known_events().items()]
    return [(EVERY_EVENT, "Everything, also what is added later"), *named]


class WebhookEndpointForm(forms.ModelForm[WebhookEndpoint]):
    """Address and events are checked as the service checks them."""

    events = forms.MultipleChoiceField(
        choices=event_choices, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    class Meta:
        model = WebhookEndpoint
        fields = ["workspace", "url", "events", "active"]
        labels = {"url": "URL"}

    def clean_url(self) -> str:
        """Refused at the field, before the service would."""
        url: str = self.cleaned_data["url"]
        try:
            parse_url(url, allow_private=settings.WEBHOOK_ALLOW_PRIVATE)
        except OutboundRefused as error:
            raise forms.ValidationError(str(error)) from error
        return url


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(TenantAdmin):
    """Owners alone: what is sent may tell of everything in the workspace."""

    add_permission = Permission.WORKSPACE_MANAGE
    change_permission = Permission.WORKSPACE_MANAGE
    delete_permission = Permission.WORKSPACE_MANAGE
    form = WebhookEndpointForm
    change_form_template = "kb/admin/webhook.html"
    list_display = ["url", "workspace", "event_names", "active", "waiting", "given_up"]
    list_filter = ["workspace", "active"]
    list_select_related = ["workspace"]
    search_fields = ["url"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the counts."""
        counts = {
            state: Count("deliveries", filter=Q(deliveries__state=state))
            for state in ("pending", "failed")
        }
        return super().get_queryset(request).annotate(**counts)

    def get_urls(self) -> list[URLPattern]:
        """The test is a POST of its own."""
        view = self.admin_site.admin_view(require_POST(self.test_view))
        route = path("<int:endpoint_id>/test/", view, name="kb_webhookendpoint_test")
        return [route, *super().get_urls()]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """A new one is on."""
        made = ["workspace", "url", "events", "active", "created_by", "created_at"]
        return made if obj else ["workspace", "url", "events"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """The workspace is chosen once."""
        return ["workspace", "created_by", "created_at"] if obj else []

    def save_model(
        self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: bool
    ) -> None:
        """Through the services; a new secret stays in this request only."""
        if change:
            change_endpoint(obj, url=obj.url, events=obj.events, active=obj.active)
            return
        made, secret = create_endpoint(
            obj.workspace, url=obj.url, events=obj.events, user=user_of(request)
        )
        obj.__dict__.update(made.__dict__)
        request.__dict__["new_secret"] = secret

    def response_add(
        self, request: HttpRequest, obj: Model, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The one page that ever shows the secret: not cached, not logged."""
        context = {
            **self.admin_site.each_context(request),
            "title": "Webhook created",
            "opts": self.opts,
            "endpoint": obj,
            "secret": request.__dict__.pop("new_secret"),
        }
        response = TemplateResponse(request, "kb/admin/new_webhook.html", context)
        response["Cache-Control"] = "no-store"
        return response

    def test_view(self, request: HttpRequest, endpoint_id: int) -> HttpResponse:
        """Queue a test event, and show what becomes of it."""
        endpoint = object_or_404(self, request, endpoint_id, Permission.WORKSPACE_MANAGE)
        try:
            delivery = send_test_event(endpoint)
        except Conflict as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(
                reverse("admin:kb_webhookendpoint_change", args=[endpoint_id])
            )
        self.message_user(request, "A test event is on its way.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:kb_webhookdelivery_change", args=[delivery.pk]))

    @display(description="Events")
    def event_names(self, obj: WebhookEndpoint) -> str:
        """By name."""
        return "all" if EVERY_EVENT in obj.events else ", ".join(obj.events)

    @display(description="Waiting", ordering="pending")
    def waiting(self, obj: Any) -> int:
        """Deliveries to be tried."""
        return int(obj.pending)

    @display(description="Failed", ordering="failed")
    def given_up(self, obj: Any) -> int:
        """Deliveries that were given up."""
        return int(obj.failed)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(TenantAdmin):
    """What was sent, what waits and why; written by workers, retried by owners."""

    workspace_path = "endpoint__workspace_id"
    change_form_template = "kb/admin/webhook_delivery.html"
    list_display = [
        "event", "endpoint", "state_badge", "attempts", "last_status", "reason", "created_at",
        "due_at",
    ]  # fmt: skip
    list_filter = ["state", "endpoint"]
    list_select_related = ["endpoint"]
    search_fields = ["event", "endpoint__url"]
    fields = [
        "event", "event_id", "endpoint", "state", "attempts", "last_status", "last_error",
        "payload", "created_at", "due_at", "delivered_at",
    ]  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        """The retry is a POST of its own."""
        view = self.admin_site.admin_view(require_POST(self.retry_view))
        route = path("<int:delivery_id>/retry/", view, name="kb_webhookdelivery_retry")
        return [route, *super().get_urls()]

    def retry_view(self, request: HttpRequest, delivery_id: int) -> HttpResponse:
        """At once, under the same id."""
        delivery = object_or_404(self, request, delivery_id, Permission.WORKSPACE_MANAGE)
        try:
            retry_delivery(delivery)
            self.message_user(request, "It is tried again.", messages.SUCCESS)
        except Conflict as error:
            self.message_user(request, str(error), messages.ERROR)
        return HttpResponseRedirect(reverse("admin:kb_webhookdelivery_change", args=[delivery_id]))

    @display(description="State", ordering="state", label=STATE_COLOURS)
    def state_badge(self, obj: WebhookDelivery) -> tuple[str, str]:
        """By name."""
        return obj.state, obj.get_state_display()

    @display(description="Reason")
    def reason(self, obj: WebhookDelivery) -> str:
        """Of the last failure, shortened."""
        return obj.last_error[:100]
