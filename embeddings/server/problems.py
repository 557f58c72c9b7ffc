"""Errors of the encoder server, in a shape that Jina's and OpenAI's clients both read."""

from __future__ import annotations

import uuid
from typing import Any

import structlog
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse

from embeddings.errors import EncoderUnavailable, TextNotEmbeddable, TextTooLong
from kb.errors import DomainError

log = structlog.get_logger(__name__)


class Refused(Exception):
    """An answer other than 200: status, machine-readable code, what to do."""

    def __init__(self, status: int, code: str, detail: str, *, retry_after: int = 0) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.retry_after = retry_after


def refused(_: Request, error: Exception) -> JSONResponse:
    """The answer to `Refused`."""
    assert isinstance(error, Refused)  # noqa: S101 - registered for it
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
    return problem(error.status, error.code, error.detail, headers=headers)


def domain_error(_: Request, error: Exception) -> JSONResponse:
    """A text that does not fit is 400, an encoder that is away 503, the rest 500."""
    if isinstance(error, TextTooLong):
        return problem(400, "INPUT_TOKEN_LIMIT_EXCEEDED", str(error))
    if isinstance(error, TextNotEmbeddable):
        return problem(400, "INPUT_NOT_EMBEDDABLE", str(error))
    if isinstance(error, EncoderUnavailable):
        return problem(503, "SERVICE_UNAVAILABLE", str(error), headers={"Retry-After": "5"})
    log.error("encoder_failed", error=str(error))
    return problem(500, "INTERNAL_ERROR", str(error))


def unforeseen(_: Request, error: Exception) -> JSONResponse:
    """Anything else: details are for the log, not for the caller."""
    return problem(500, "INTERNAL_ERROR", f"{type(error).__name__}; see the server's log.")


def invalid(_: Request, error: Exception) -> JSONResponse:
    """The schema's own complaints, field by field."""
    assert isinstance(error, ValidationError)  # noqa: S101 - registered for it
    errors = [
        {"field": ".".join(map(str, each["loc"])), "message": each["msg"], "type": each["type"]}
        for each in error.errors(include_input=False, include_url=False, include_context=False)
    ]
    listed = "; ".join(f"{each['field']}: {each['message']}" for each in errors[:5])
    return problem(422, "VALIDATION_ERROR", listed, errors=errors)


def problem(
    status: int, code: str, detail: str, *, headers: dict[str, str] | None = None, **extra: Any
) -> JSONResponse:
    """Jina's `{detail, code, request_id}` and OpenAI's `{error: {message, type, code}}` in one."""
    number = uuid.uuid4().hex[:16]
    kind = "invalid_request_error" if status < 500 else "server_error"
    body = {
        "detail": detail,
        "code": code,
        "request_id": number,
        "error": {"message": detail, "type": kind, "code": code, "param": None},
        **extra,
    }
    return JSONResponse(
        body, status_code=status, headers={"X-Request-Id": number, **(headers or {})}
    )


HANDLERS = {
    Refused: refused,
    ValidationError: invalid,
    DomainError: domain_error,
    Exception: unforeseen,
}
