"""The one table from domain error to HTTP status, and the problem details it becomes.

Problem details: RFC 9457, `application/problem+json`.
"""

from __future__ import annotations

from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from chat.errors import QuestionRejected
from embeddings.errors import (
    CheckpointInvalid,
    EncoderUnavailable,
    FingerprintChanged,
    GateRefused,
    MoveRefused,
    NeedsWaiver,
    NoLiveIndex,
    NotReadyToServe,
    NoVersion,
    SameIndex,
    StillSoaking,
    TextNotEmbeddable,
)
from kb import errors as kb_errors

log = structlog.get_logger(__name__)

DATABASE_AWAY = "The database is away or too busy; try again shortly."

STATUS_OF: dict[type[kb_errors.DomainError], int] = {
    kb_errors.InvalidInput: status.HTTP_400_BAD_REQUEST,
    kb_errors.TooLarge: status.HTTP_413_REQUEST_ENTITY_TOO_LARGE,
    kb_errors.NotFound: status.HTTP_404_NOT_FOUND,
    kb_errors.Forbidden: status.HTTP_403_FORBIDDEN,
    kb_errors.Conflict: status.HTTP_409_CONFLICT,
    kb_errors.ImportRefused: status.HTTP_400_BAD_REQUEST,
    kb_errors.OutboundFailed: status.HTTP_502_BAD_GATEWAY,
    QuestionRejected: status.HTTP_400_BAD_REQUEST,
    NoLiveIndex: status.HTTP_503_SERVICE_UNAVAILABLE,
    EncoderUnavailable: status.HTTP_503_SERVICE_UNAVAILABLE,
    CheckpointInvalid: status.HTTP_503_SERVICE_UNAVAILABLE,
    TextNotEmbeddable: status.HTTP_400_BAD_REQUEST,
    FingerprintChanged: status.HTTP_503_SERVICE_UNAVAILABLE,
    NoVersion: status.HTTP_404_NOT_FOUND,
    MoveRefused: status.HTTP_409_CONFLICT,
    SameIndex: status.HTTP_409_CONFLICT,
    GateRefused: status.HTTP_409_CONFLICT,
    NeedsWaiver: status.HTTP_409_CONFLICT,
    NotReadyToServe: status.HTTP_409_CONFLICT,
    StillSoaking: status.HTTP_409_CONFLICT,
}

RETRY_AFTER_SECONDS = 5


def status_of(error: kb_errors.DomainError) -> int:
    """HTTP status of a domain error: that of the nearest class in the table, else 500."""
    for cls in type(error).__mro__:
        if cls in STATUS_OF:
            return STATUS_OF[cls]
    return status.HTTP_500_INTERNAL_SERVER_ERROR


def handle_exception(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: every error leaves as problem details.

    Returns None (Django answers 500) for what is not foreseen.
    """
    if isinstance(error, kb_errors.DomainError):
        return _domain_response(error)
    if isinstance(error, (OperationalError, InterfaceError)):
        log.error("database_unavailable", error=str(error))
        return _problem(503, "database_unavailable", DATABASE_AWAY)
    if isinstance(error, RequestDataTooBig):
        limit = f"{settings.DATA_UPLOAD_MAX_MEMORY_SIZE:,}"
        return _problem(413, "too_large", f"The request has more than {limit} bytes.")
    return _framework_response(error, context)


def _domain_response(error: kb_errors.DomainError) -> Response:
    extra: dict[str, Any] = {}
    if isinstance(error, kb_errors.InvalidInput) and error.field:
        extra["errors"] = {error.field: [str(error)]}
    if isinstance(error, kb_errors.ImportRefused):
        extra["problems"] = error.problems
    if isinstance(error, GateRefused):
        extra["worst"] = error.worst
    response = _problem(status_of(error), error.code, str(error), **extra)
    if isinstance(error, NotReadyToServe) and not isinstance(error, NeedsWaiver):
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _framework_response(error: Exception, context: dict[str, Any]) -> Response | None:
    response = drf_exception_handler(error, context)
    if response is None:
        return None
    code, detail, extra = _describe(error, response)
    problem = _problem(response.status_code, code, detail, **extra)
    for header, value in response.headers.items():
        if header not in {"Content-Type", "Content-Length"}:
            problem[header] = value
    return problem


def _describe(error: Exception, response: Response) -> tuple[str, str, dict[str, Any]]:
    if isinstance(error, Http404):
        return "not_found", "There is no such thing here.", {}
    if isinstance(error, exceptions.ValidationError):
        return "invalid", "Some fields are not acceptable.", {"errors": response.data}
    if isinstance(error, exceptions.APIException):
        return str(error.get_codes()), str(error.detail), {}
    return "forbidden", "You may not do this.", {}


def _problem(status_code: int, code: str, detail: str, **extra: object) -> Response:
    response = Response(
        {"type": "about:blank", "status": status_code, "code": code, "detail": detail, **extra},
        status=status_code,
        content_type="application/problem+json",
    )
    if status_code == status.HTTP_503_SERVICE_UNAVAILABLE:
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def problem_json(request: HttpRequest, status_code: int, code: str, detail: str) -> JsonResponse:  # noqa: ARG001 - the shape of Django's error views
    """Problem details outside DRF (404, 500 and CSRF pages of API routes)."""
    body = {"type": "about:blank", "status": status_code, "code": code, "detail": detail}
    return JsonResponse(body, status=status_code, content_type="application/problem+json")
