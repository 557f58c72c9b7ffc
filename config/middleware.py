"""Answers 503 with Retry-After, in the caller's shape, while the database is away."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django_structlog.middlewares import RequestMiddleware
from psycopg_pool import PoolTimeout

from config.errors import DATABASE_AWAY, RETRY_AFTER_SECONDS, problem_json

log = structlog.get_logger(__name__)

AWAY = (OperationalError, InterfaceError, PoolTimeout)


class DatabaseAwayMiddleware:
    """Turns a lost database into 503 rather than a stack trace (promise: never a 500 for it)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """503 problem details for database errors that no view handled."""
        if not isinstance(error, AWAY):
            return None
        log.error("database_unavailable", error=str(error), path=request.path)
        response = problem_json(request, 503, "database_unavailable", DATABASE_AWAY)
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response


class RequestLogMiddleware(RequestMiddleware):
    """Logs requests without their query strings: people search for what visitors wrote."""

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        """Method and path."""
        return f"{request.method} {request.path}"
