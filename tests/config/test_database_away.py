"""A lost database is 503 with Retry-After, in the caller's shape, never a stack trace."""

from __future__ import annotations

import pytest
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from psycopg_pool import PoolTimeout
from rest_framework.test import APIRequestFactory

from config.errors import STATUS_OF, handle_exception, status_of
from config.middleware import DatabaseAwayMiddleware
from embeddings.errors import EncoderUnavailable
from kb.errors import DomainError, NotFound, TooLarge


def test_api_answers_503_with_retry_after() -> None:
    context = {"request": APIRequestFactory().get("/api/v1/articles/")}
    response = handle_exception(OperationalError("server closed the connection"), context)
    assert response is not None
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "server closed" not in str(response.data)


@pytest.mark.parametrize("error", [OperationalError("gone"), PoolTimeout("no connection")])
def test_other_pages_answer_503_too(error: Exception) -> None:
    middleware = DatabaseAwayMiddleware(lambda _: HttpResponse())
    response = middleware.process_exception(RequestFactory().get("/admin/"), error)
    assert response is not None
    assert (response.status_code, response["Retry-After"]) == (503, "5")


def test_other_errors_are_left_alone() -> None:
    middleware = DatabaseAwayMiddleware(lambda _: HttpResponse())
    assert middleware.process_exception(HttpRequest(), ValueError("a bug")) is None


def test_every_domain_error_has_a_status_through_its_nearest_class() -> None:
    assert status_of(TooLarge("x")) == 413
    assert status_of(NotFound("x")) == 404
    assert status_of(EncoderUnavailable("x")) == 503
    assert status_of(DomainError("x")) == 500
    assert DomainError not in STATUS_OF
