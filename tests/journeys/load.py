"""Questions at a steady rate, whatever the answers do, and what came back of each."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

import httpx

CONVERSATION_EACH = 20  # questions: one is asked in a conversation, and answered in words
PATIENCE = 60.0
# A connection for each request: one that is kept may be closed by the server, idle for its five
# seconds, at the very moment at which it is used again. That is nobody's lost question.
UNSHARED = httpx.Limits(max_connections=None, max_keepalive_connections=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question and its answer. Times are of `time.monotonic`; `status` 0: none came.

    `revisions` are those that it cites: hits and context, or citations. `index` is the index
    version as the answer tells it; an answer in a conversation tells it by its trace alone.
    """

    began: float
    ended: float
    status: int
    retry_after: str = ""
    problem: str = ""
    trace: str = ""
    index: dict[str, Any] | None = None
    revisions: frozenset[int] = frozenset()

    @property
    def seconds(self) -> float:
        """From the sending of the question to the last byte of its answer."""
        return self.ended - self.began

    @property
    def answered(self) -> bool:
        """With an answer, not with an excuse."""
        return self.status in {200, 201}


class Load:
    """Asks `questions` of the web servers at `urls` in turn, one each `1 / per_second` seconds.

    The schedule is open: a slow answer does not delay the next question. Each question goes
    with the next of the keys in `tokens`, so that none comes near its rate limit.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        tokens: Sequence[str],
        questions: Sequence[str],
        per_second: float,
    ) -> None:
        self.asked: list[Asked] = []
        self._urls = itertools.cycle(urls)
        self._tokens = itertools.cycle(tokens)
        self._questions = list(questions)
        self._every = 1 / per_second
        self._chance = random.Random(5)
        self._stop = Event()
        self._failure: BaseException | None = None
        self._thread = Thread(target=self._run, name="load", daemon=True)

    def start(self) -> None:
        """Ask from now on."""
        self._thread.start()

    def stop(self) -> list[Asked]:
        """Ask no more; everything that was asked, once the last answer is there."""
        self.end()
        assert not self._thread.is_alive(), "the load does not end"
        if self._failure is not None:
            raise self._failure
        return self.asked

    def end(self) -> None:
        """Ask no more, whatever went wrong."""
        self._stop.set()
        self._thread.join(2 * PATIENCE)

    def _run(self) -> None:
        try:
            asyncio.run(self._ask_on_schedule())
        except BaseException as error:  # noqa: BLE001 - told by `stop`, in the test's own thread
            self._failure = error

    async def _ask_on_schedule(self) -> None:
        async with httpx.AsyncClient(timeout=PATIENCE, limits=UNSHARED) as client:
            running: set[asyncio.Task[None]] = set()
            due = time.monotonic()
            for number in itertools.count():
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if self._stop.is_set():
                    break
                task = asyncio.create_task(self._ask(client, number))
                running.add(task)
                task.add_done_callback(running.discard)
                due += self._every
            await asyncio.gather(*running)

    async def _ask(self, client: httpx.AsyncClient, number: int) -> None:
        url, token = next(self._urls), next(self._tokens)
        headers = {"Authorization": f"Bearer {token}"}
        question = self._chance.choice(self._questions)
        in_conversation = number % CONVERSATION_EACH == 0
        ask = _ask_in_conversation if in_conversation else _retrieve
        began = time.monotonic()
        try:
            response = await ask(client, f"{url}/api/v1", headers, question)
        except httpx.TransportError as error:
            ended = time.monotonic()
            self.asked.append(Asked(began=began, ended=ended, status=0, problem=repr(error)))
            return
        self.asked.append(_told(response, began=began, ended=time.monotonic()))


async def _retrieve(
    client: httpx.AsyncClient, api: str, headers: dict[str, str], question: str
) -> httpx.Response:
    return await client.post(f"{api}/retrieve", json={"question": question}, headers=headers)


async def _ask_in_conversation(
    client: httpx.AsyncClient, api: str, headers: dict[str, str], question: str
) -> httpx.Response:
    """The answer, or what kept the conversation from being begun."""
    begun = await client.post(f"{api}/conversations/", json={}, headers=headers)
    if not begun.is_success:
        return begun
    messages = f"{api}/conversations/{begun.json()['id']}/messages/"
    return await client.post(messages, json={"text": question}, headers=headers)


def _told(response: httpx.Response, *, began: float, ended: float) -> Asked:
    if not response.is_success:
        return Asked(
            began=began,
            ended=ended,
            status=response.status_code,
            retry_after=response.headers.get("Retry-After", ""),
            problem=response.text[:500],
        )
    answer = response.json()
    cited = [*answer.get("hits", ()), *answer.get("context", ()), *answer.get("citations", ())]
    places = [place for span in answer.get("context", ()) for place in span["also"]]
    return Asked(
        began=began,
        ended=ended,
        status=response.status_code,
        trace=answer["trace_id"] or "",
        index=answer.get("index"),
        revisions=frozenset(each["revision_id"] for each in [*cited, *places]),
    )
