"""Encoders by alias, from `settings.ENCODERS`, made once per process."""

from __future__ import annotations

import threading
from typing import Any, cast

from django.conf import settings
from django.utils.module_loading import import_string

from embeddings.encoders.api.served import ServedEncoder
from embeddings.encoders.base import Encoder
from embeddings.encoders.families import family_of
from embeddings.encoders.strategies import STRATEGIES
from embeddings.errors import CheckpointInvalid, UnknownEncoder

_built: dict[tuple[str, bool], Encoder] = {}
_building: dict[str, threading.Lock] = {}


def get_encoder(alias: str) -> Encoder:
    """The encoder configured as `alias`; the same object for the whole process.

    With `ENCODER_URL` the forward passes of local families are done by that server. Raises
    UnknownEncoder, which lists the configured aliases, CheckpointInvalid or
    EncoderUnavailable.
    """
    return _get(alias, served=bool(settings.ENCODER_URL) and _is_local(alias))


def get_local_encoder(alias: str) -> Encoder:
    """As `get_encoder`, always with the weights in this process (the encoder server's own)."""
    return _get(alias, served=False)


def configuration(alias: str) -> dict[str, Any]:
    """The settings of `alias`: BACKEND, OPTIONS, STRATEGY, LICENCE, and what else
    `config.encoders` gives it.

    `alias@strategy` is the same encoder with another strategy, to compare the two.
    """
    configured: dict[str, dict[str, Any]] = settings.ENCODERS
    base, _, strategy = alias.partition("@")
    if alias not in configured and base in configured and strategy:
        if strategy not in STRATEGIES:
            known = ", ".join(STRATEGIES)
            raise UnknownEncoder(f"Strategy {strategy!r} is not known; known are: {known}.")
        return {**configured[base], "STRATEGY": strategy}
    if alias not in configured:
        known = ", ".join(sorted(configured))
        raise UnknownEncoder(f"No encoder is called {alias!r}; configured are: {known}.")
    return configured[alias]


def languages_of(alias: str) -> frozenset[str]:
    """Codes of the languages that the model was trained for; empty for one of many."""
    return frozenset(configuration(alias).get("LANGUAGES", ()))


def forget_encoders() -> None:
    """Drop the built encoders (tests that change the settings)."""
    _built.clear()


def _get(alias: str, *, served: bool) -> Encoder:
    entry = configuration(alias)
    if built := _built.get((alias, served)):
        return built
    # Two threads must not load the same weights; fetching one model must not hold up another.
    with _building.setdefault(alias, threading.Lock()):
        if (alias, served) not in _built:
            encoder = _build(alias, entry)
            _built[alias, served] = _serve(alias, encoder) if served else encoder
        return _built[alias, served]


def _build(alias: str, entry: dict[str, Any]) -> Encoder:
    backend = import_string(entry["BACKEND"])
    try:
        return cast("Encoder", backend(**entry.get("OPTIONS", {}), strategy=entry["STRATEGY"]))
    except TypeError as error:  # an option that the family does not have
        raise CheckpointInvalid(f"Encoder {alias!r} is configured wrongly: {error}.") from error


def _serve(alias: str, encoder: Encoder) -> Encoder:
    key = settings.ENCODER_API_KEY
    return ServedEncoder(
        encoder,
        alias=alias,
        url=settings.ENCODER_URL,
        api_key=key.get_secret_value() if key else "",
    )


def _is_local(alias: str) -> bool:
    family = family_of(configuration(alias)["BACKEND"])
    return family is not None and family.local
