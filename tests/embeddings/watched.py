"""An encoder that is watched at its work, and articles to give it work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from pytest_django import Settings

from embeddings.encoders.base import Document, EmbeddedDocument
from embeddings.encoders.hash import HashEncoder
from embeddings.encoders.registry import get_encoder
from kb.models import Workspace
from tests.factories import make_article

TEN_WORDS = "one two three four five six seven eight nine ten"


def fill(workspace: Workspace, articles: int) -> None:
    """Of ten tokens each, as the hash encoder counts."""
    for _ in range(articles):
        make_article(workspace, body=TEN_WORDS)


class WatchedEncoder(HashEncoder):
    """Tells what it encodes, and in which version's name."""

    before: Callable[[Sequence[Document]], Any] | None = None

    def __init__(self, *, name: str, strategy: str) -> None:
        super().__init__(name=name, strategy=strategy)
        self.seen: list[str] = []

    def encode_documents(self, documents: Sequence[Document]) -> list[EmbeddedDocument]:
        """The hash encoder's."""
        if self.before:
            self.before(documents)
        self.seen += [document.body for document in documents]
        return super().encode_documents(documents)


@pytest.fixture
def watched(settings: Settings) -> WatchedEncoder:
    """Configured as `watched`."""
    settings.ENCODERS = settings.ENCODERS | {
        "watched": {
            "BACKEND": f"{__name__}.WatchedEncoder",
            "OPTIONS": {"name": "watched"},
            "STRATEGY": "windows",
        }
    }
    encoder = get_encoder("watched")
    assert isinstance(encoder, WatchedEncoder)
    return encoder
