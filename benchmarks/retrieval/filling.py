"""A big workspace: articles by the import, vectors by the embed loop's claim and store.

Only the forward passes are left out. Every topic has the real vector of one of its passages,
and the passages of its articles lie around it, in 32 directions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from django.conf import settings
from django.db import connection, transaction
from numpy.typing import NDArray

from benchmarks.retrieval.synthetic import SyntheticArticle, Writer
from embeddings.encoders.base import EmbeddedDocument, Matrix, Passage, Task, Vector
from embeddings.encoders.registry import get_encoder
from embeddings.filling.claims import claim_entries
from embeddings.filling.store import store_vectors
from embeddings.hnsw import build_missing_indexes
from embeddings.live import live_version
from embeddings.models import IndexVersion
from embeddings.routing import forget_routes
from embeddings.services.entries import ensure_entries
from embeddings.services.versions import ensure_first_version
from kb.importing import ImportItem, import_articles
from kb.models import Revision, Workspace
from kb.services import create_workspace
from kb.services.statistics import fold_term_counts

RANK, SPREAD = 32, 0.5
TOKENS_PER_WORD = 1.4
WORKER = "benchmark"


def filled_workspace(writer: Writer, *, passages: int) -> Workspace:
    """The one that is there already, or a new one; killed while it fills, it goes on."""
    slug = f"latency-{passages}-{writer.seed}"
    workspace = Workspace.objects.filter(slug=slug).first() or _create(slug)
    articles = list(writer.articles(passages))
    import_articles(workspace, map(_item, articles), publish=True)
    version = live_version(workspace)
    store_synthetic_vectors(version, articles, _centres(writer))
    _tidy_up()
    return workspace


def store_synthetic_vectors(
    version: IndexVersion, articles: Sequence[SyntheticArticle], centres: Matrix
) -> None:
    """For every article that has none."""
    topics = {article.title: article.topic for article in articles}
    cloud = Cloud(centres)
    ensure_entries(version, bulk=True)
    while claim := claim_entries(version, worker=WORKER):
        documents = [_embedded(entry.revision, topics, cloud) for entry in claim.entries]
        store_vectors(version, claim, documents)


def _tidy_up() -> None:
    """What beat and autovacuum do within minutes."""
    build_missing_indexes()
    fold_term_counts()
    forget_routes()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")


class Cloud:
    """Unit vectors around centres."""

    def __init__(self, centres: Matrix) -> None:
        self._centres = centres
        self._random = np.random.default_rng(7)
        shape = (centres.shape[1], RANK)
        directions, _ = np.linalg.qr(self._random.standard_normal(shape))
        self._directions: NDArray[np.float32] = directions.T.astype(np.float32)

    def around(self, topic: int, count: int) -> Matrix:
        """Shape (count, dimension); a cosine of about .8 between neighbours."""
        noise = self._random.standard_normal((count, RANK)).astype(np.float32)
        moved = self._centres[topic] + SPREAD * (noise @ self._directions) / np.sqrt(RANK)
        return _unit(moved)


def _create(slug: str) -> Workspace:
    with transaction.atomic():
        workspace = create_workspace(slug=slug)
        ensure_first_version(workspace, encoder=settings.DEFAULT_ENCODER)
    return workspace


def _item(article: SyntheticArticle) -> ImportItem:
    return ImportItem(
        origin=article.title, external_id=article.title, title=article.title, body=article.body
    )


def _centres(writer: Writer) -> Matrix:
    """One real vector for each topic."""
    encoder = get_encoder(settings.DEFAULT_ENCODER)
    texts = [writer.passage(topic)[:600] for topic in range(writer.topics)]
    return encoder.encode(texts, Task.RETRIEVAL_PASSAGE)


def _embedded(revision: Revision, topics: Mapping[str, int], cloud: Cloud) -> EmbeddedDocument:
    """A passage is a paragraph."""
    paragraphs = revision.body.split("\n\n")
    vectors = cloud.around(topics[revision.title], len(paragraphs))
    passages, start = [], 0
    for paragraph, vector in zip(paragraphs, vectors, strict=True):
        end = start + len(paragraph)
        tokens = round(TOKENS_PER_WORD * len(paragraph.split()))
        passages.append(Passage(start=start, end=end, tokens=tokens, vector=vector))
        start = end + len("\n\n")
    return EmbeddedDocument(
        vector=_unit(vectors.mean(axis=0)),
        passages=tuple(passages),
        tokens=sum(passage.tokens for passage in passages),
        covered_characters=len(revision.body),
    )


def _unit(vectors: Vector) -> Vector:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: Vector = (vectors / lengths).astype(np.float32)
    return unit
