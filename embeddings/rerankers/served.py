"""A reranker whose forward passes are done by our encoder server (`ENCODER_URL`)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from embeddings.encoders.metering import Meter, metered
from embeddings.rerankers.base import Reranker
from embeddings.rerankers.jina_api import JinaApiReranker


class ServedReranker:
    """The Reranker protocol over HTTP; `local` is the same reranker here, its weights unloaded.

    Tokens are counted here. The server must have been started with `--reranker ALIAS`; else
    it raises EncoderUnavailable, as when it is away.
    """

    def __init__(self, local: Reranker, *, alias: str, url: str, api_key: str = "") -> None:
        self._local, self._alias, self._api_key = local, alias, api_key
        self._url = f"{url.rstrip('/').removesuffix('/v1')}/v1"

    @property
    def fingerprint(self) -> str:
        """That of the server's last answer; the weights that it is made of are only there."""
        return self._remote.answered_by or f"served:{self._alias}"

    @property
    def window(self) -> int:
        """By the configuration that is here."""
        return self._local.window

    def rerank(self, question: str, documents: Sequence[str]) -> list[float]:
        """One request, before the server's bulk work."""
        with metered(Meter()):  # nobody pays for models in our own house
            return self._remote.rerank(question, documents)

    def count_tokens(self, question: str, documents: Sequence[str]) -> int:
        """With the tokenizer that is here."""
        return self._local.count_tokens(question, documents)

    @cached_property
    def _remote(self) -> JinaApiReranker:
        return JinaApiReranker(
            model=self._alias,
            url=self._url,
            api_key=self._api_key,
            window=self._local.window,
        )
