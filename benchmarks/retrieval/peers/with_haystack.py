"""Haystack: DocumentSplitter (200 words), InMemoryDocumentStore."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from haystack import Document, Pipeline
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.utils import ComponentDevice
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersDocumentEmbedder,
    SentenceTransformersTextEmbedder,
)

from benchmarks.retrieval.peers.base import PeerArticle

STORE = "store.json"


class HaystackPeer:
    """Its sentence-transformers embedders on the local folder, in its pipelines."""

    packages = ("haystack-ai", "sentence-transformers-haystack", "sentence-transformers")

    def __init__(self, model: str) -> None:
        """Load the weights."""
        device = ComponentDevice.from_str("cpu")
        self._documents = SentenceTransformersDocumentEmbedder(
            model=model, device=device, progress_bar=False
        )
        self._documents.warm_up()
        self._question = SentenceTransformersTextEmbedder(
            model=model, device=device, progress_bar=False
        )
        self._store = InMemoryDocumentStore()
        self._pipeline: Pipeline | None = None

    def build(self, articles: Sequence[PeerArticle]) -> None:
        """Split, encode and store."""
        documents = [Document(content=each.text, meta={"article": each.id}) for each in articles]
        pieces = DocumentSplitter().run(documents=documents)["documents"]
        self._store.write_documents(self._documents.run(documents=pieces)["documents"])

    def save(self, folder: Path) -> None:
        """Its own file."""
        folder.mkdir(parents=True, exist_ok=True)
        self._store.save_to_disk(str(folder / STORE))

    def load(self, folder: Path) -> None:
        """Its own file."""
        self._store = InMemoryDocumentStore.load_from_disk(str(folder / STORE))

    def count(self) -> int:
        """Documents, as it calls the pieces."""
        return int(self._store.count_documents())

    def search(self, question: str, *, chunks: int) -> list[tuple[str, float]]:
        """Through a pipeline of text embedder and retriever."""
        asked = {"embedder": {"text": question}, "retriever": {"top_k": chunks}}
        found = self._query_pipeline().run(asked)["retriever"]["documents"]
        return [(hit.meta["article"], float(hit.score)) for hit in found]

    def _query_pipeline(self) -> Pipeline:
        if self._pipeline is None:
            self._pipeline = Pipeline()
            self._pipeline.add_component("embedder", self._question)
            retriever = InMemoryEmbeddingRetriever(self._store)
            self._pipeline.add_component("retriever", retriever)
            self._pipeline.connect("embedder.embedding", "retriever.query_embedding")
        return self._pipeline
