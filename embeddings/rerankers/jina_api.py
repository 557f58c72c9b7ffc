"""Jina's rerankers behind Jina's API, and others behind servers that speak its `/v1/rerank`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from embeddings.encoders.api.http import Answer, JsonClient
from embeddings.encoders.api.jina_account import JINA_URL, jina_client, jina_plan
from embeddings.encoders.api.keys import key_reader
from embeddings.encoders.api.remote_calls import Limits, batches, side_by_side
from embeddings.encoders.api.served import FINGERPRINT
from embeddings.encoders.api.vectors_wire import InvalidResponse, in_order
from embeddings.encoders.estimate import open_tokenizer
from embeddings.encoders.metering import add_tokens
from embeddings.errors import CheckpointInvalid, TextNotEmbeddable

BATCH_TOKENS = 65_536
SECONDS = 10.0  # somebody waits for the answer
OTHER_KEY_NAME = "REMOTE_API_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankModel:
    """What a model's request schema has. `window` is the most tokens of a question with its
    document (v3: with all documents of one request, which it compares with one another);
    scores are `lowest` to 1."""

    window: int
    documents: int = 128
    lowest: float = 0.0
    listwise: bool = False


MODELS = {
    # arXiv 2509.25085: at most 64 documents at a time; scores are cosines.
    "jina-reranker-v3": RerankModel(window=131_072, documents=64, lowest=-1.0, listwise=True),
    "jina-reranker-v2-base-multilingual": RerankModel(window=1024),
    "jina-reranker-v1-base-en": RerankModel(window=512),
    "jina-reranker-v1-turbo-en": RerankModel(window=8192),
    "jina-reranker-v1-tiny-en": RerankModel(window=8192),
}


class JinaApiReranker:
    """The Reranker protocol over `POST /v1/rerank`; asks the API not to cut.

    `max_doc_length` (v3 only) is the most tokens of a document. With `tokenizer`, a folder
    with the model's tokenizer.json, every text is measured before it is sent. A model that
    Jina does not have needs the `url` of the server that has it (ours, vLLM, Infinity) and its
    `window`; its key is `api_key`, or REMOTE_API_KEY, or none. Raises CheckpointInvalid.
    """

    def __init__(
        self,
        *,
        model: str = "jina-reranker-v3",
        api_key: str = "",
        url: str = JINA_URL,
        plan: str = "free",
        max_doc_length: int = 8192,
        tokenizer: str = "",
        window: int = 0,
        seconds: float = SECONDS,
    ) -> None:
        if not 1 <= max_doc_length <= 8192:
            raise CheckpointInvalid("max_doc_length must be 1 to 8192.")
        self.answered_by = ""  # the fingerprint of the model, where the server tells it
        self._seconds = seconds
        self._name, self._model = model, _described(model, url, window)
        self._max_doc_length = max_doc_length
        self._limits = Limits(
            items=self._model.documents,
            tokens=self._model.window // 2 if self._model.listwise else BATCH_TOKENS,
            threads=jina_plan(plan).concurrency,
        )
        self._counter = open_tokenizer(tokenizer)
        self._client = (
            jina_client(url, api_key=api_key, plan=plan)
            if model in MODELS
            else _client_of_another(url, api_key)
        )

    @property
    def fingerprint(self) -> str:
        """Model and the length of documents; the key is not in it."""
        if self._name not in MODELS:
            return f"rerank-api:{self._name}"
        length = f":{self._max_doc_length}" if self._model.listwise else ""
        return f"jina-api:{self._name}{length}"

    @property
    def window(self) -> int:
        """Most tokens of question and document together."""
        return self._model.window

    def rerank(self, question: str, documents: Sequence[str]) -> list[float]:
        """A score in 0..1 for each document, in order; a blank document has 0.

        v3 compares the documents of one request: over 64, scores of different requests are
        less comparable. Raises TextNotEmbeddable for what is too long, or EncoderUnavailable.
        """
        if not question.strip():
            raise TextNotEmbeddable("An empty question ranks nothing.")
        scores = [0.0] * len(documents)
        places = [place for place, document in enumerate(documents) if document.strip()]
        lengths = self._measure(question, [documents[place] for place in places])
        groups = [[places[number] for number in batch] for batch in batches(lengths, self._limits)]

        def score(group: Sequence[int]) -> list[float]:
            return self._score(question, [documents[place] for place in group])

        answers = side_by_side(score, groups, self._limits.threads)
        for group, answer in zip(groups, answers, strict=True):
            for place, each in zip(group, answer, strict=True):
                scores[place] = each
        return scores

    def count_tokens(self, question: str, documents: Sequence[str]) -> int:
        """Of all pairs, or of v3's one list with the question in it once; an estimate without
        a tokenizer."""
        [asked, *lengths] = self._counter.count([question, *documents])
        return asked * (1 if self._model.listwise else len(documents)) + sum(lengths)

    def _measure(self, question: str, documents: Sequence[str]) -> list[int]:
        """Tokens of each document with the question. Raises TextNotEmbeddable."""
        [asked, *lengths] = self._counter.count([question, *documents])
        for length in lengths:
            over = self._counter.exact and asked + length > self.window
            if over or (self._model.listwise and length > self._max_doc_length):
                raise TextNotEmbeddable(
                    f"A document of {length} tokens is too long for {self._name}; rank its "
                    "passages instead."
                )
        return [asked + length for length in lengths]

    def _score(self, question: str, documents: Sequence[str]) -> list[float]:
        body: dict[str, Any] = {
            "model": self._name,
            "query": question,
            "documents": list(documents),
            "return_documents": False,
            "truncation": False,
        }
        if self._model.listwise:
            body["max_doc_length"] = self._max_doc_length
        tokens = self.count_tokens(question, documents)
        answer = self._client.post("/rerank", body, tokens=tokens, seconds=self._seconds)
        self.answered_by = answer.headers.get(FINGERPRINT, "")
        add_tokens(answer.tokens or 0)
        try:
            return self._read(answer, len(documents))
        except InvalidResponse as error:
            raise self._client.nonsense(error) from error

    def _read(self, answer: Answer, count: int) -> list[float]:
        body = answer.body if isinstance(answer.body, dict) else {}
        if body.get("model", self._name) != self._name:
            raise InvalidResponse(f"scores of another model, {str(body['model'])[:100]!r}")
        found = [item.get("relevance_score") for item in in_order(body.get("results"), count=count)]
        return [self._scale(score) for score in found]

    def _scale(self, score: object) -> float:
        """From the model's own range to 0..1."""
        lowest = self._model.lowest
        if not isinstance(score, (int, float)) or not math.isfinite(score):
            raise InvalidResponse("a score that is no number")
        if not lowest - 0.01 <= score <= 1.01:
            raise InvalidResponse(f"a score of {score} where {lowest} to 1 was expected")
        return min(1.0, max(0.0, (score - lowest) / (1 - lowest)))


def _described(model: str, url: str, window: int) -> RerankModel:
    if model in MODELS:
        return MODELS[model]
    if url == JINA_URL or window < 1:
        raise CheckpointInvalid(
            f"No reranker is called {model!r}; there are {', '.join(MODELS)}. One of another "
            "server needs the options url and window."
        )
    return RerankModel(window=window)


def _client_of_another(url: str, api_key: str) -> JsonClient:
    return JsonClient(
        url, key=key_reader(api_key, setting=OTHER_KEY_NAME), key_name=OTHER_KEY_NAME, attempts=2
    )
