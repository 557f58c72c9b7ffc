"""Encoders by alias, from `settings.ENCODERS`, made once per process."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from django.conf import settings
from django.utils.module_loading import import_string

from embeddings.encoders.base import Encoder
from embeddings.errors import UnknownEncoder


def get_encoder(alias: str) -> Encoder:
    """The encoder configured as `alias`; the same object for the whole process.

    Raises UnknownEncoder, which lists the configured aliases.
    """
    configuration(alias)
    return _build(alias)


def configuration(alias: str) -> dict[str, Any]:
    """The settings of `alias`: BACKEND, OPTIONS, STRATEGY."""
    configured: dict[str, dict[str, Any]] = settings.ENCODERS
    if alias not in configured:
        known = ", ".join(sorted(configured))
        raise UnknownEncoder(f"No encoder is called {alias!r}; configured are: {known}.")
    return configured[alias]


def forget_encoders() -> None:
    """Drop the built encoders (tests that change the settings)."""
    _build.cache_clear()


@cache
def _build(alias: str) -> Encoder:
    entry = configuration(alias)
    backend = import_string(entry["BACKEND"])
    return cast("Encoder", backend(**entry.get("OPTIONS", {})))
