"""Rerankers by alias, from `settings.RERANKERS`, made once per process."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any, cast

from django.conf import settings
from django.utils.module_loading import import_string

from embeddings.rerankers.base import Reranker
from embeddings.rerankers.served import ServedReranker
from kb.errors import InvalidInput

LOCAL = "embeddings.rerankers.cross_encoder.CrossEncoderReranker"
_BUILDING = threading.Lock()


class UnknownReranker(InvalidInput):
    """No reranker of that name is configured in `settings.RERANKERS`."""

    code = "unknown_reranker"


def get_reranker(alias: str) -> Reranker:
    """The reranker configured as `alias`; the same object for the whole process.

    With `ENCODER_URL` the forward passes of local ones are done by that server. Raises
    UnknownReranker, which lists the configured aliases.
    """
    local = get_local_reranker(alias)
    url: str = settings.ENCODER_URL or ""
    return _serve(alias, url) if url and configuration(alias)["BACKEND"] == LOCAL else local


def get_local_reranker(alias: str) -> Reranker:
    """As `get_reranker`, always with the weights in this process (the encoder server's own)."""
    configuration(alias)
    with _BUILDING:  # the cache alone would let two threads build, and later load, two
        return _build(alias)


def configuration(alias: str) -> dict[str, Any]:
    """The settings of `alias`: BACKEND, OPTIONS."""
    configured: dict[str, dict[str, Any]] = settings.RERANKERS
    if alias not in configured:
        known = ", ".join(sorted(configured)) or "none"
        raise UnknownReranker(f"No reranker is called {alias!r}; configured are: {known}.")
    return configured[alias]


def forget_rerankers() -> None:
    """Drop the built rerankers (tests that change the settings)."""
    _build.cache_clear()
    _serve.cache_clear()


@cache
def _build(alias: str) -> Reranker:
    entry = configuration(alias)
    backend = import_string(entry["BACKEND"])
    return cast("Reranker", backend(**entry.get("OPTIONS", {})))


@cache
def _serve(alias: str, url: str) -> Reranker:
    key = settings.ENCODER_API_KEY.get_secret_value() if settings.ENCODER_API_KEY else ""
    return ServedReranker(get_local_reranker(alias), alias=alias, url=url, api_key=key)
