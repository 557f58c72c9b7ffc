"""A loopback HTTP server for tests: answers JSON, records what it got, fails on demand."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Reply:
    """Status, JSON (or text as it is) and headers."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        """As it goes over the wire."""
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


class CutConnection(Exception):
    """Close the connection instead of answering."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What came: when, where to, with which headers and JSON (`content` as it was sent)."""

    at: float
    path: str
    headers: Mapping[str, str]
    body: Any
    content: bytes = b""


Mishap = Callable[[Request, Reply], Reply]  # what goes wrong with an answer


class LoopbackServer:
    """Use it in a `with` block; subclasses answer. Mishaps are used up one per request."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.mishaps: deque[Mishap] = deque()
        self.always: Mishap | None = None
        self.most_at_once = 0
        self._now = 0
        self._lock = threading.Lock()
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"

    def answer(self, request: Request) -> Reply:
        """Without mishaps."""
        raise NotImplementedError

    def bodies(self) -> list[Any]:
        """The JSON of each request so far."""
        return [request.body for request in self.requests]

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._http.server_close()

    def respond(self, request: Request) -> Reply:
        """The answer, with the mishap whose turn it is."""
        with self._lock:
            self.requests.append(request)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            mishap = self.mishaps.popleft() if self.mishaps else self.always
        try:
            reply = self.answer(request)
            return mishap(request, reply) if mishap else reply
        finally:
            with self._lock:
                self._now -= 1

    @property
    def now(self) -> int:
        """Requests being answered."""
        return self._now


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    owner: LoopbackServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        request = Request(
            at=time.monotonic(),
            path=self.path,
            headers=dict(self.headers.items()),
            body=json.loads(content),
            content=content,
        )
        try:
            reply = self.server.owner.respond(request)
        except CutConnection:
            self.close_connection = True
            return
        try:
            self._send(reply)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply.content)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base
        """Keep quiet."""


def status(code: int, body: Any = None, **headers: str) -> Mishap:
    """Answer with this instead; `Retry_After` is the header Retry-After."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda *_: Reply(status=code, body=body or {"detail": "no"}, headers=named)


def cut_connection(*_: Any) -> Reply:
    """Close without an answer."""
    raise CutConnection


def slow(seconds: float) -> Mishap:
    """The right answer, late."""

    def mishap(_: Request, reply: Reply) -> Reply:
        time.sleep(seconds)
        return reply

    return mishap


def echo_key(request: Request, _: Reply) -> Reply:
    """An error text that repeats the key, as careless servers do."""
    sent = request.headers["Authorization"]
    return Reply(
        status=400, body={"detail": f"Bad header {sent!r} {sent.split()[1]}", "code": sent}
    )


def not_json(*_: Any) -> Reply:
    """A proxy's page."""
    return Reply(body="<html><h1>It works!</h1></html>")


def edit(change: Callable[[Any], Any]) -> Mishap:
    """The right answer, after `change` of its JSON."""
    return lambda _, reply: Reply(
        status=reply.status, body=change(reply.body), headers=reply.headers
    )
