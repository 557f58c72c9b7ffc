"""`/metrics` for Prometheus: open to loopback, elsewhere to bearers of METRICS_TOKEN."""

from __future__ import annotations

import hmac

from django.http import HttpRequest, HttpResponse
from django_prometheus.exports import ExportToDjangoView

from config.env import environment


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text format; 403 without the token (deny by default)."""
    if not _allowed(request):
        return HttpResponse("Set METRICS_TOKEN and send it as a bearer token.\n", status=403)
    response: HttpResponse = ExportToDjangoView(request)
    return response


def _allowed(request: HttpRequest) -> bool:
    token = environment().metrics_token
    if token is None:
        # Behind a proxy every caller looks local, so the forwarded header closes the door.
        forwarded = "HTTP_X_FORWARDED_FOR" in request.META
        return request.META.get("REMOTE_ADDR") in {"127.0.0.1", "::1"} and not forwarded
    given = request.headers.get("Authorization", "")
    return hmac.compare_digest(given, f"Bearer {token.get_secret_value()}")
