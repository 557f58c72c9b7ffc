"""How the admin looks, and what its side bar leads to."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy


def _item(title: str, icon: str, model: str, *, view: str = "", apart: str = "") -> dict[str, Any]:
    """Leads to a model's list, or to another `view` for who may see the model.

    Pages below the view `apart` belong to an item of their own.
    """
    link = reverse_lazy(f"admin:{view or f'{model}_changelist'}")

    def permitted(request: HttpRequest) -> bool:
        from django.apps import apps
        from django.contrib import admin

        return admin.site.get_model_admin(
            apps.get_model(model.replace("_", "."))
        ).has_module_permission(request)

    def active(request: HttpRequest) -> bool:
        path = request.path
        elsewhere = bool(apart) and path.startswith(str(reverse_lazy(f"admin:{apart}")))
        return path.startswith(str(link)) and not elsewhere

    return {"title": title, "icon": icon, "link": link, "permission": permitted, "active": active}


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Unabridged",
    "SITE_HEADER": "Unabridged",
    "SITE_SUBHEADER": "Answers from whole articles",
    "SITE_SYMBOL": "menu_book",
    "SITE_URL": "/admin/",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "config.dashboard.dashboard",
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": {
            "50": "oklch(98.4% .014 180.72)", "100": "oklch(95.3% .051 180.801)",
            "200": "oklch(91% .096 180.426)", "300": "oklch(85.5% .138 181.071)",
            "400": "oklch(77.7% .152 181.912)", "500": "oklch(60% .11 184)",
            "600": "oklch(51.1% .096 186.391)", "700": "oklch(45% .08 187)",
            "800": "oklch(38.6% .063 188.416)", "900": "oklch(33% .052 190)",
            "950": "oklch(27.7% .046 192.524)",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "title": "Knowledge",
                "items": [
                    {
                        "title": "Overview",
                        "icon": "space_dashboard",
                        "link": reverse_lazy("admin:index"),
                    },
                    _item("Articles", "article", "kb_article"),
                    _item("Collections", "folder", "kb_collection"),
                ],
            },
            {
                "title": "Answers",
                "separator": True,
                "items": [
                    _item("Conversations", "forum", "chat_conversation"),
                    _item("Curated answers", "verified", "chat_curatedanswer"),
                    _item("Traces", "troubleshoot", "chat_trace", apart="chat_playground"),
                    _item("Playground", "science", "chat_trace", view="chat_playground"),
                    _item("Question sets", "quiz", "chat_questionset"),
                    _item("Evaluation runs", "monitoring", "chat_evaluationrun"),
                    _item("Calibrations", "straighten", "chat_calibration"),
                ],
            },
            {
                "title": "Index",
                "separator": True,
                "items": [
                    _item("Index versions", "layers", "embeddings_indexversion"),
                    _item("Campaigns", "campaign", "embeddings_campaign"),
                    _item("Retrieval profiles", "tune", "chat_retrievalprofile"),
                    _item("Index entries", "list_alt", "embeddings_indexentry"),
                    _item("Workers", "monitor_heart", "embeddings_workerheartbeat"),
                    _item("Token spend", "payments", "embeddings_tokenspend"),
                ],
            },
            {
                "title": "Workspace",
                "separator": True,
                "items": [
                    _item("Workspaces", "domain", "kb_workspace"),
                    _item("Members", "group", "kb_membership"),
                    _item("API keys", "key", "kb_apikey"),
                    _item("Webhooks", "webhook", "kb_webhookendpoint"),
                    _item("Webhook deliveries", "outbox", "kb_webhookdelivery"),
                    _item("Gate policies", "rule", "chat_gatepolicy"),
                    _item("Trace policies", "policy", "chat_tracepolicy"),
                    _item("Users", "person", "auth_user"),
                ],
            },
        ],
    },
}  # fmt: skip
