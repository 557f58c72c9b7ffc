"""Error pages: problem details below /api/, Django's own elsewhere."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views import defaults

from config.errors import problem_json


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404."""
    if request.path.startswith("/api/"):
        return problem_json(request, 404, "not_found", "There is no such route.")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """500, without a word of what went wrong (the log has it, with the request id)."""
    if request.path.startswith("/api/"):
        return problem_json(request, 500, "internal_error", "Something went wrong on our side.")
    return defaults.server_error(request)
