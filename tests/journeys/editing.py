"""Somebody who edits, adds, withdraws and deletes articles all the time, through the API."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

import httpx

from tests.journeys.load import UNSHARED

RETRY_SECONDS = 0.5
PATIENCE = 120.0
EDIT, ADD, DELETE, WITHDRAW = "edited", "added", "deleted", "withdrawn"
KINDS = (EDIT,) * 6 + (ADD,) * 2 + (DELETE, WITHDRAW)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A write that did not go through, and was tried again. Times are of `time.monotonic`."""

    began: float
    ended: float
    status: int
    retry_after: str
    problem: str


@dataclass(slots=True, kw_only=True)
class Log:
    """What was done. `over` says of each revision when it was surely not published any more:
    the answer to the write that ended it was there."""

    over: dict[int, float] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)
    refused: list[Refused] = field(default_factory=list)


class Editor:
    """`per_second` writes by a key's holder, in a thread; `published` is what there is to edit:
    article id -> published revision. What is refused is tried again, as a person does."""

    def __init__(
        self,
        url: str,
        *,
        token: str,
        published: Mapping[int, int],
        bodies: list[str],
        per_second: float,
    ) -> None:
        self.log = Log()
        self._published = dict(published)
        self._bodies = bodies
        self._every = 1 / per_second
        self._chance = random.Random(7)
        self._stop = Event()
        self._failure: BaseException | None = None
        self._client = httpx.Client(
            base_url=f"{url}/api/v1/articles/",
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
            limits=UNSHARED,
        )
        self._thread = Thread(target=self._run, name="editor", daemon=True)

    def start(self) -> None:
        """Write from now on."""
        self._thread.start()

    def stop(self) -> Log:
        """Write no more; what was done, once the last write is through."""
        self.end()
        assert not self._thread.is_alive(), "the editor does not end"
        if self._failure is not None:
            raise self._failure
        return self.log

    def end(self) -> None:
        """Write no more, whatever went wrong."""
        self._stop.set()
        self._thread.join(PATIENCE + 60)
        self._client.close()

    def _run(self) -> None:
        number = 0
        try:
            while not self._stop.wait(self._every):
                number += 1
                kind = self._chance.choice(KINDS)
                self._write(kind, number)
                self.log.done[kind] += 1
        except BaseException as error:  # noqa: BLE001 - told by `stop`, in the test's own thread
            self._failure = error

    def _write(self, kind: str, number: int) -> None:
        text = {
            "title": f"Written as number {number}",
            "body": f"{self._chance.choice(self._bodies)}\n\nWritten as number {number}.",
            "publish": True,
        }
        if kind == ADD:
            self._publish("POST", "", {**text, "external_id": f"added-{number}"})
            return
        article = self._chance.choice(list(self._published))
        if kind == EDIT:
            self._publish("PUT", f"{article}/", text)
            return
        method, path = ("DELETE", "") if kind == DELETE else ("POST", "unpublish/")
        self._send(method, f"{article}/{path}", None)
        self._end(self._published.pop(article))

    def _publish(self, method: str, path: str, text: dict[str, Any]) -> None:
        saved = self._send(method, path, text).json()
        before = self._published.get(saved["id"])
        self._published[saved["id"]] = saved["freshness"]["revision_id"]
        if before is not None:
            self._end(before)

    def _end(self, revision: int) -> None:
        self.log.over[revision] = time.monotonic()

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        """The answer of the try that went through; that it did is all that counts: a deletion
        may have been done by one whose answer was lost."""
        deadline = time.monotonic() + PATIENCE
        while True:
            began = time.monotonic()
            response = self._try(method, path, body)
            if response is not None and (response.is_success or response.status_code == 404):
                return response
            self.log.refused.append(_refusal(response, began=began))
            assert time.monotonic() < deadline, f"{method} {path}: {self.log.refused[-1]}"
            time.sleep(RETRY_SECONDS)

    def _try(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response | None:
        try:
            return self._client.request(method, path, json=body)
        except httpx.TransportError:
            return None


def _refusal(response: httpx.Response | None, *, began: float) -> Refused:
    return Refused(
        began=began,
        ended=time.monotonic(),
        status=response.status_code if response is not None else 0,
        retry_after=response.headers.get("Retry-After", "") if response is not None else "",
        problem=response.text[:300] if response is not None else "no answer",
    )
