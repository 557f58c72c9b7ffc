"""What the server does with a request, once it is parsed and admitted: plain, blocking calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from embeddings.encoders.base import (
    Document,
    EmbeddedDocument,
    Encoder,
    Matrix,
    PoolingEncoder,
    Task,
)
from embeddings.encoders.vectors import unit_rows
from embeddings.rerankers.base import Reranker
from embeddings.server.encodings import to_base64, write_vector
from embeddings.server.problems import Refused
from embeddings.server.wire import DocumentsRequest, EmbeddingRequest, RerankRequest

# A request of so few inputs is somebody's question, whatever its task.
FEW_INPUTS = 4


def is_urgent(request: EmbeddingRequest) -> bool:
    """Questions go before bulk work."""
    if request.task == Task.RETRIEVAL_QUERY:
        return True
    bulk = request.task == Task.RETRIEVAL_PASSAGE or request.late_chunking
    return not bulk and len(request.input) <= FEW_INPUTS


def embed(encoder: Encoder, request: EmbeddingRequest, *, urgent: bool) -> dict[str, Any]:
    """The body of `/v1/embeddings`. Raises Refused, TextNotEmbeddable, EncoderUnavailable."""
    task = request.task or Task.TEXT_MATCHING
    texts = _fitted(encoder, request, task)
    vectors = _shortened(_vectors(encoder, request, texts, task, urgent=urgent), encoder, request)
    tokens = sum(encoder.count_tokens(texts))
    return {
        "object": "list",
        "model": request.model,
        "data": [
            {"object": "embedding", "index": index, "embedding": write_vector(row, request.forms)}
            for index, row in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def embed_documents(encoder: Encoder, request: DocumentsRequest) -> dict[str, Any]:
    """The body of `/v1/documents`."""
    documents = [
        Document(title=each.title, body=each.body, language=each.language)
        for each in request.documents
    ]
    embedded = encoder.encode_documents(documents)
    return {
        "object": "list",
        "model": request.model,
        "data": [_document(index, each) for index, each in enumerate(embedded)],
        "usage": {"total_tokens": sum(each.tokens for each in embedded)},
    }


def rerank(reranker: Reranker, request: RerankRequest) -> dict[str, Any]:
    """The body of `/v1/rerank`: results by falling relevance."""
    scores = reranker.rerank(request.query, request.documents)
    order = sorted(range(len(scores)), key=lambda index: (-scores[index], index))
    results: list[dict[str, Any]] = [
        {"index": index, "relevance_score": scores[index]} for index in order[: request.top_n]
    ]
    if request.return_documents:
        for result in results:
            result["document"] = {"text": request.documents[result["index"]]}
    return {
        "object": "list",
        "model": request.model,
        "results": results,
        "usage": {"total_tokens": reranker.count_tokens(request.query, request.documents)},
    }


def _fitted(encoder: Encoder, request: EmbeddingRequest, task: Task) -> Sequence[str]:
    if not request.truncate:
        return request.input
    if request.late_chunking:
        raise Refused(422, "VALIDATION_ERROR", "truncate does not go with late_chunking.")
    return _pooling(encoder, "truncate").truncate(request.input, task)


def _vectors(
    encoder: Encoder,
    request: EmbeddingRequest,
    texts: Sequence[str],
    task: Task,
    *,
    urgent: bool,
) -> Matrix:
    if request.late_chunking:
        return _pooling(encoder, "late_chunking").pool_late(texts, task)
    if isinstance(encoder, PoolingEncoder):
        return encoder.pool(texts, task, urgent=urgent)
    if not request.normalized:
        _pooling(encoder, "normalized=false")
    return encoder.encode(texts, task)


def _shortened(vectors: Matrix, encoder: Encoder, request: EmbeddingRequest) -> Matrix:
    dimension = request.dimensions or encoder.dimension
    if not _may_have(encoder, dimension, vectors.shape[1]):
        raise Refused(
            422,
            "VALIDATION_ERROR",
            f"dimensions: {request.model} has vectors of {encoder.dimension}, not {dimension}.",
        )
    shortened: Matrix = vectors[:, :dimension]
    return unit_rows(shortened) if request.normalized else shortened


def _may_have(encoder: Encoder, dimension: int, width: int) -> bool:
    smallest = getattr(encoder, "smallest_dimension", encoder.dimension)
    return dimension == encoder.dimension or smallest <= dimension <= width


def _pooling(encoder: Encoder, field: str) -> PoolingEncoder:
    if not isinstance(encoder, PoolingEncoder):
        raise Refused(422, "VALIDATION_ERROR", f"{field} is not possible with this model.")
    return encoder


def _document(index: int, embedded: EmbeddedDocument) -> dict[str, Any]:
    return {
        "object": "document",
        "index": index,
        "embedding": to_base64(embedded.vector),
        "tokens": embedded.tokens,
        "covered_characters": embedded.covered_characters,
        "passages": [
            {
                "start": passage.start,
                "end": passage.end,
                "tokens": passage.tokens,
                "embedding": to_base64(passage.vector),
            }
            for passage in embedded.passages
        ],
    }
