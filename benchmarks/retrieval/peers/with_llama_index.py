"""LlamaIndex: SentenceSplitter (1,024 tokens, overlap 200), its in-memory vector store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llama_index.core import (
    Document,
    StorageContext,
    VectorStoreIndex,
    load_index_from_storage,
)
from llama_index.core.node_parser import SentenceSplitter
from llama_index.embeddings.huggingface import HuggingFaceEmbedding

from benchmarks.retrieval.peers.base import PeerArticle


class LlamaIndexPeer:
    """`VectorStoreIndex` with `HuggingFaceEmbedding` on the local folder."""

    packages = ("llama-index-core", "llama-index-embeddings-huggingface", "sentence-transformers")

    def __init__(self, model: str) -> None:
        """Load the weights."""
        self._embedding = HuggingFaceEmbedding(model_name=model, device="cpu")
        self._index: Any = None
        self._retrievers: dict[int, Any] = {}

    def build(self, articles: Sequence[PeerArticle]) -> None:
        """Split, encode and store."""
        documents = [Document(text=article.text, doc_id=article.id) for article in articles]
        nodes = SentenceSplitter().get_nodes_from_documents(documents)
        self._index = VectorStoreIndex(nodes, embed_model=self._embedding)

    def save(self, folder: Path) -> None:
        """Its own files."""
        self._index.storage_context.persist(persist_dir=str(folder))

    def load(self, folder: Path) -> None:
        """Its own files."""
        context = StorageContext.from_defaults(persist_dir=str(folder))
        self._index = load_index_from_storage(context, embed_model=self._embedding)

    def count(self) -> int:
        """Nodes."""
        return len(self._index.docstore.docs)

    def search(self, question: str, *, chunks: int) -> list[tuple[str, float]]:
        """Through its retriever."""
        if chunks not in self._retrievers:
            self._retrievers[chunks] = self._index.as_retriever(similarity_top_k=chunks)
        found = self._retrievers[chunks].retrieve(question)
        return [(hit.node.ref_doc_id, float(hit.score)) for hit in found]
