"""Asks the running product over HTTP, as a customer's code would, and checks its quotes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

QUESTIONS = (
    "after we close the account how long do we have to grab our data",
    "can people pay for a course in installments, how many",
    "fehlermeldung empfänger unvollständig",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A citation, and whether the article says exactly this at exactly that place."""

    number: int
    title: str
    start: int
    end: int
    text: str
    verbatim: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A question and what came back."""

    question: str
    answer: str
    abstained: bool
    quotes: tuple[Quote, ...]

    @property
    def grounded(self) -> bool:
        """Answered, with at least one citation, and each of them verbatim."""
        return not self.abstained and bool(self.quotes) and all(q.verbatim for q in self.quotes)


def ask(url: str, token: str, question: str) -> Turn:
    """One question in a conversation of its own. Raises httpx.HTTPError."""
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=60) as client:
        conversation = _json(client.post("/conversations/", json={}))
        path = f"/conversations/{conversation['id']}/messages/"
        message = _json(client.post(path, json={"text": question}))
        quotes = tuple(_check(client, citation) for citation in message["citations"])
    return Turn(
        question=question,
        answer=message["text"],
        abstained=message["abstained"],
        quotes=quotes,
    )


def _check(client: httpx.Client, citation: dict[str, Any]) -> Quote:
    article = _json(client.get(f"/articles/{citation['article_id']}/"))
    start, end = citation["start"], citation["end"]
    return Quote(
        number=citation["number"],
        title=citation["title"],
        start=start,
        end=end,
        text=citation["quote"],
        verbatim=article["body"][start:end] == citation["quote"],
    )


def _json(response: httpx.Response) -> dict[str, Any]:
    response.raise_for_status()
    content: dict[str, Any] = response.json()
    return content
