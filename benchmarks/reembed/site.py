"""A web process and a workspace to ask, with real articles."""

from __future__ import annotations

import random
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from config.runtime import commands
from config.runtime.paths import PROJECT_ROOT
from kb.importing import ImportItem, import_articles, read_items
from kb.models import Scope, Workspace
from kb.services import create_api_key, create_workspace

SAMPLE = PROJECT_ROOT / "kb" / "sample" / "articles"
CHARACTERS = 3_000  # of an article, about 700 tokens
KEYS = 60  # each may ask 120 questions a minute
QUESTIONS = (
    "How do I ask for a refund?",
    "Can I change the address of my order?",
    "What does the warranty cover?",
    "How long does delivery take?",
    "How do I reset my password?",
    "May I pay by invoice?",
    "Who can see my data?",
    "How do I cancel my subscription?",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where to ask, and with which keys."""

    client: httpx.Client
    tokens: Sequence[str]

    def ask(self, number: int) -> int:
        """Status of one `/retrieve`."""
        return self._post("/api/v1/retrieve", number, {"question": self._question(number)})

    def save(self, number: int) -> int:
        """Status of one new article."""
        return self._post(
            "/api/v1/articles/",
            number,
            {"title": f"Saved {number}", "body": f"Text of saved article {number}."},
        )

    def _post(self, path: str, number: int, body: dict[str, str]) -> int:
        token = self.tokens[number % len(self.tokens)]
        headers = {"Authorization": f"Bearer {token}"}
        return self.client.post(path, json=body, headers=headers).status_code

    @staticmethod
    def _question(number: int) -> str:
        """None twice the same, so that nothing is answered from memory."""
        return f"{QUESTIONS[number % len(QUESTIONS)]} (case {number})"


@contextmanager
def web_process() -> Iterator[httpx.Client]:
    """A client of the real web process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = commands.web(port=port)
    process = subprocess.Popen(command.argv, env=command.env, cwd=PROJECT_ROOT)
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=60.0, limits=limits, trust_env=False
        ) as client:
            _wait_until_up(client)
            yield client
    finally:
        process.terminate()
        process.wait()


def site_of(workspace: Workspace, client: httpx.Client) -> Site:
    """With keys for some hundred questions a second."""
    scopes = [Scope.RETRIEVE, Scope.ARTICLES_WRITE]
    tokens = [create_api_key(workspace, name=f"k{n}", scopes=scopes)[1] for n in range(KEYS)]
    return Site(client=client, tokens=tokens)


def workspace_of(slug: str, *, articles: int) -> Workspace:
    """With so many published articles, recomposed from the sample knowledge base."""
    workspace = create_workspace(slug=slug)
    import_articles(workspace, recomposed(articles), publish=True)
    return workspace


def recomposed(count: int) -> Iterator[ImportItem]:
    """Each of paragraphs drawn from all sample articles; no two are alike."""
    chance = random.Random(1)
    items = [item for item in read_items(SAMPLE) if isinstance(item, ImportItem)]
    paragraphs = [part for item in items for part in item.body.split("\n\n") if part.strip()]
    for number in range(count):
        parts = [f"Case number {number}."]
        while sum(map(len, parts)) < CHARACTERS:
            parts.append(chance.choice(paragraphs))
        yield ImportItem(
            origin=f"case-{number}",
            external_id=f"case-{number}",
            title=f"{items[number % len(items)].title} ({number})",
            body="\n\n".join(parts),
        )


def _wait_until_up(client: httpx.Client) -> None:
    for _ in range(600):
        try:
            if client.get("/health/ready").status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise RuntimeError("The web process did not come up within a minute.")
