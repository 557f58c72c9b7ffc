"""Model servers of one's own: OpenAI's /v1/embeddings as vLLM or Infinity speak it, and TEI's
/embed. They differ in what they do with a text over the window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.standins.jina_server import bags, wire, words
from tests.standins.server import LoopbackServer, Reply, Request

DIMENSION = 64


class ModelServer(LoopbackServer):
    """`kind`: vllm refuses over-long texts, infinity cuts them, tei as it is told."""

    def __init__(
        self,
        kind: str,
        *,
        window: int = 512,
        key: str = "",
        count: Callable[[str], int] = words,
    ) -> None:
        super().__init__()
        self.kind, self.window, self.key, self.count = kind, window, key, count
        self.read: list[str] = []

    def answer(self, request: Request) -> Reply:
        """Key, path, length, work."""
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            return _openai_error(401, "Unauthorized", "invalid_api_key")
        if request.path == "/embed" and self.kind == "tei":
            return self._tei(request.body)
        if request.path == "/v1/embeddings":
            return self._openai(request.body)
        return Reply(status=404, body={"detail": "Not Found"})

    def _openai(self, body: dict[str, Any]) -> Reply:
        texts = body["input"]
        longest = max(self.count(text) for text in texts)
        if longest > self.window and self.kind == "vllm":
            detail = (
                f"This model's maximum context length is {self.window} tokens. However, you "
                f"requested {longest} tokens in the input for embedding generation."
            )
            return _openai_error(400, detail, 400)
        read = [self._cut(text) for text in texts]
        self.read += read
        data = [
            {"object": "embedding", "index": index, "embedding": wire(3 * vector, body)}
            for index, vector in enumerate(bags(read, DIMENSION))
        ]
        tokens = sum(self.count(text) for text in read)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return Reply(body={"object": "list", "model": "served", "data": data, "usage": usage})

    def _tei(self, body: dict[str, Any]) -> Reply:
        texts = body["inputs"]
        if len(texts) > 32:
            message = f"batch size {len(texts)} > maximum allowed batch size 32"
            return Reply(status=413, body={"error": message, "error_type": "Validation"})
        longest = max(self.count(text) for text in texts)
        if longest > self.window and not body.get("truncate", True):
            message = f"inputs must have less than {self.window} tokens. Given: {longest}"
            return Reply(status=413, body={"error": message, "error_type": "Validation"})
        read = [self._cut(text) for text in texts]
        self.read += read
        tokens = sum(self.count(text) for text in read)
        rows = [[float(number) for number in vector] for vector in bags(read, DIMENSION)]
        return Reply(body=rows, headers={"x-compute-tokens": str(tokens)})

    def _cut(self, text: str) -> str:
        while self.count(text) > self.window:
            text = text[: len(text) * self.window // self.count(text)]
        return text


def _openai_error(status: int, message: str, code: str | int) -> Reply:
    error = {"message": message, "type": "BadRequestError", "param": None, "code": code}
    return Reply(status=status, body={"error": error})
