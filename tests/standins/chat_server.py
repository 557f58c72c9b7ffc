"""A language model's server, as OpenAI's API reference describes `POST /chat/completions`.

It refuses what that would refuse of the fields that we send, and answers a chat completion
object. What it says is a function of the question and the conversation that it was given.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.standins.server import LoopbackServer, Mishap, Reply, Request, edit

KEY = "sk-standin-0123456789abcdef"
MODEL = "standin-1"
ROLES = {"developer", "system", "user", "assistant"}

Says = Callable[[dict[str, Any]], str]


class ChatServer(LoopbackServer):
    """`says` gets the JSON of the last user message: `conversation` and `question`."""

    def __init__(self, says: Says | str = "", *, key: str = KEY) -> None:
        super().__init__()
        self.says: Says = says if callable(says) else lambda _: says
        self.key = key

    def answer(self, request: Request) -> Reply:
        """Key, path, schema, words."""
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            return _error(401, "Incorrect API key provided.", "invalid_api_key")
        if request.path != "/v1/chat/completions":
            return _error(404, f"Invalid URL (POST {request.path})", None)
        wrong = _wrong_with(request.body)
        if wrong:
            return _error(400, wrong, "invalid_request_error")
        if request.body["model"] != MODEL:
            return _error(404, "The model does not exist.", "model_not_found")
        text = self.says(json.loads(request.body["messages"][-1]["content"]))
        return Reply(body=completion(text))

    def read(self) -> list[dict[str, Any]]:
        """What each request so far gave as the user's message."""
        return [json.loads(body["messages"][-1]["content"]) for body in self.bodies()]


def completion(text: str | None, *, finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    """A chat completion object with one choice."""
    said = {"role": "assistant", "content": text, "refusal": None, **message}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": MODEL,
        "choices": [
            {"index": 0, "message": said, "logprobs": None, "finish_reason": finish_reason}
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18},
    }


def instead(text: str | None, **given: Any) -> Mishap:
    """These words, or this end, whatever was asked."""
    return edit(lambda _: completion(text, **given))


def _wrong_with(body: dict[str, Any]) -> str:
    known = {"model", "messages", "temperature", "max_tokens", "stream"}
    messages = body.get("messages")
    if not isinstance(body.get("model"), str) or set(body) - known:
        return "Unrecognized request argument, or no model."
    if not isinstance(messages, list) or not messages:
        return "'messages' must be a list that is not empty."
    if any(each["role"] not in ROLES or not isinstance(each["content"], str) for each in messages):
        return "Invalid value in 'messages'."
    if not 0 <= body.get("temperature", 1) <= 2 or body.get("max_tokens", 1) < 1:
        return "A number is out of its range."
    return ""


def _error(status: int, message: str, code: str | None) -> Reply:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return Reply(status=status, body={"error": error})
