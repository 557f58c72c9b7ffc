"""The encoder server's routes."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from embeddings.encoders.api.served import FINGERPRINT, INTERACTIVE, PRIORITY
from embeddings.server.admission import Admission
from embeddings.server.answers import embed, embed_documents, is_urgent, rerank
from embeddings.server.catalog import Catalog
from embeddings.server.problems import HANDLERS, Refused
from embeddings.server.wire import DocumentsRequest, EmbeddingRequest, Request, RerankRequest

MAX_BODY_BYTES = 16 * 1024 * 1024
Parsed = TypeVar("Parsed", bound=Request)


class EncoderServer:
    """One catalog behind HTTP; `api_key` empty: anybody who can reach the port."""

    def __init__(
        self, catalog: Catalog, *, api_key: str = "", queries: int = 512, bulk: int = 64
    ) -> None:
        self._catalog = catalog
        self._api_key = api_key
        self._admission = Admission(queries=queries, bulk=bulk)
        # Threads only wait for the queue of forward passes; as many as may be in hand.
        self._threads = anyio.CapacityLimiter(queries + bulk)

    def application(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/v1/embeddings", self.embeddings, methods=["POST"]),
            Route("/v1/documents", self.documents, methods=["POST"]),
            Route("/v1/rerank", self.rerank, methods=["POST"]),
            Route("/v1/models", self.models, methods=["GET"]),
            Route("/health", self.health, methods=["GET"]),
        ]
        return Starlette(routes=routes, exception_handlers=HANDLERS)

    async def embeddings(self, http: HttpRequest) -> Response:
        """Vectors of texts."""
        request = await self._parse(http, EmbeddingRequest)
        encoder = self._catalog.encoder(request.model)
        urgent = is_urgent(request) or http.headers.get(PRIORITY) == INTERACTIVE
        work = partial(embed, encoder, request, urgent=urgent)
        return await self._work(work, urgent=urgent, fingerprint=encoder.fingerprint)

    async def documents(self, http: HttpRequest) -> Response:
        """Vectors of whole articles and their passages."""
        request = await self._parse(http, DocumentsRequest)
        encoder = self._catalog.encoder(request.model)
        work = partial(embed_documents, encoder, request)
        return await self._work(work, urgent=False, fingerprint=encoder.fingerprint)

    async def rerank(self, http: HttpRequest) -> Response:
        """Documents by relevance."""
        request = await self._parse(http, RerankRequest)
        reranker = self._catalog.reranker(request.model)
        work = partial(rerank, reranker, request)
        return await self._work(work, urgent=True, fingerprint=reranker.fingerprint)

    async def models(self, http: HttpRequest) -> Response:
        """What is served."""
        self._authenticate(http)
        return JSONResponse({"object": "list", "data": self._catalog.listing()})

    async def health(self, _: HttpRequest) -> Response:
        """200 once the weights are loaded; nothing secret, no key needed."""
        return JSONResponse({"status": "ok", "waiting": self._admission.waiting})

    async def _parse(self, http: HttpRequest, shape: type[Parsed]) -> Parsed:
        self._authenticate(http)
        return shape.model_validate_json(await _read_body(http))

    async def _work(
        self, work: Callable[[], dict[str, Any]], *, urgent: bool, fingerprint: str
    ) -> Response:
        headers = {FINGERPRINT: fingerprint}

        def answer() -> Response:  # thousands of vectors as JSON take a second, too
            return JSONResponse(work(), headers=headers)

        with self._admission.admit(urgent=urgent):
            return await anyio.to_thread.run_sync(answer, limiter=self._threads)

    def _authenticate(self, http: HttpRequest) -> None:
        if not self._api_key:
            return
        scheme, _, key = http.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise Refused(401, "AUTH_MISSING_API_KEY", "Send the header Authorization: Bearer KEY.")
        if not secrets.compare_digest(key.encode(), self._api_key.encode()):
            raise Refused(401, "AUTH_INVALID_API_KEY", "This is not the server's key.")


async def _read_body(http: HttpRequest) -> bytes:
    """The body, unless it is larger than a batch of articles can be."""
    parts, size = [], 0
    async for part in http.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            limit = f"{MAX_BODY_BYTES:,}"
            raise Refused(413, "INPUT_TOO_LARGE", f"The request has more than {limit} bytes.")
        parts.append(part)
    return b"".join(parts)
