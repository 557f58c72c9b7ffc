"""One small client for model servers: POST JSON, retry what may pass, keep the key secret."""

from __future__ import annotations

import json
import math
import random
import re
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from embeddings.encoders.api.pacing import Pacer, Plan
from embeddings.encoders.api.refusals import error_for, read_refusal
from embeddings.encoders.api.vectors_wire import InvalidResponse
from embeddings.encoders.utf8 import utf8
from embeddings.errors import CheckpointInvalid, EncoderUnavailable

RETRIED = {429, 500, 502, 503, 504}
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 20.0
CONNECT_SECONDS = 5.0
KEY_LIKE = re.compile(r"(?i)(bearer\s+)\S+|\bjina_\w{8,}|\bsk-[\w-]{8,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A JSON answer of status 200."""

    body: Any
    headers: Mapping[str, str]

    @property
    def tokens(self) -> int | None:
        """`usage.total_tokens`, or TEI's `x-compute-tokens`; None when it does not say."""
        usage = self.body.get("usage") if isinstance(self.body, dict) else None
        tokens = usage.get("total_tokens") if isinstance(usage, dict) else None
        if tokens is None and self.headers.get("x-compute-tokens", "").isdecimal():
            return int(self.headers["x-compute-tokens"])
        return tokens if type(tokens) is int and tokens >= 0 else None


class _Again(Exception):
    """Trying again may help, after `pause` seconds if the server said so."""

    def __init__(self, error: EncoderUnavailable, pause: float | None = None) -> None:
        super().__init__(str(error))
        self.error, self.pause = error, pause


class JsonClient:
    """Thread-safe. The key is asked for at each request and shown to nobody but the server.

    `key` gives the key or "" for none; `key_name` is what to tell people to check.
    """

    def __init__(
        self,
        url: str,
        *,
        key: Callable[[], str] = str,
        key_name: str = "the option api_key",
        pacer: Pacer | None = None,
        headers: Mapping[str, str] | None = None,
        attempts: int = 5,
        seconds: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url.rstrip("/")
        self.server = _host(url)
        self._key, self._key_name = key, key_name
        self._pacer = pacer or Plan().pacer()
        self._attempts, self._seconds = attempts, seconds
        self._sleep, self._clock = sleep, clock
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=32)
        self._http = httpx.Client(follow_redirects=False, limits=limits, headers=headers)
        weakref.finalize(self, self._http.close)

    def __repr__(self) -> str:
        return f"JsonClient({self.server})"

    def post(
        self, path: str, body: Mapping[str, Any], *, tokens: int = 0, seconds: float | None = None
    ) -> Answer:
        """POST to url + path. `tokens` is what the request will cost, about; `seconds` bounds
        requests and pauses together (None: the client's own), and if given, so that somebody
        waits, the wait for the plan's turn as well.

        Raises TextTooLong, TextNotEmbeddable, or EncoderUnavailable after the last attempt.
        """
        content = utf8(json.dumps(body, ensure_ascii=False))
        left = self._seconds if seconds is None else seconds
        patience = math.inf if seconds is None else seconds
        for attempt in range(1, self._attempts + 1):
            began = self._clock()
            try:
                with self._pacer.request(tokens, patience=patience) as turn:
                    began = self._clock()
                    request = self._http.build_request(
                        "POST", f"{self._url}{path}", content=content
                    )
                    answer = self._send(request, left)
                    turn.answered(answer.headers, answer.tokens)
                    return answer
            except _Again as again:
                pause = _pause(attempt) if again.pause is None else _spread(again.pause)
                left -= self._clock() - began + pause
                if attempt == self._attempts or left <= 0:
                    raise again.error from again.__cause__
                self._sleep(pause)
        raise AssertionError("attempts must be 1 or more")

    def get(self, path: str, *, seconds: float) -> Answer:
        """GET of what costs nothing, once. Raises EncoderUnavailable."""
        try:
            return self._send(self._http.build_request("GET", f"{self._url}{path}"), seconds)
        except _Again as again:
            raise again.error from again.__cause__

    def nonsense(self, error: InvalidResponse) -> EncoderUnavailable:
        """The error for an answer that cannot be right."""
        return EncoderUnavailable(f"{self.server} answered nonsense: {self._scrub(str(error))}.")

    def _send(self, request: httpx.Request, left: float) -> Answer:
        answering = max(0.1, left)
        timeout = httpx.Timeout(answering, connect=min(CONNECT_SECONDS, answering))
        request.extensions = {**request.extensions, "timeout": timeout.as_dict()}
        request.headers.update(self._headers())
        try:
            response = self._http.send(request)
        except (httpx.TransportError, httpx.DecodingError) as error:
            words = self._scrub(f"{type(error).__name__}: {error}").rstrip(": ")
            unreachable = f"{self.server} cannot be reached ({words}); try again later."
            raise _Again(EncoderUnavailable(unreachable)) from error
        if response.status_code != httpx.codes.OK:
            raise self._refused(response)
        try:
            return Answer(body=response.json(), headers=response.headers)
        except ValueError as error:
            raise self.nonsense(InvalidResponse("something that is not JSON")) from error

    def _refused(self, response: httpx.Response) -> Exception:
        refusal = read_refusal(response.status_code, response.text, self._scrub)
        error = error_for(refusal, server=self.server, key_name=self._key_name)
        if response.status_code not in RETRIED or not isinstance(error, EncoderUnavailable):
            return error
        pause = retry_after(response.headers)
        if pause and response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            self._pacer.hold(pause)
        return _Again(error, pause)

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        key = self._key().strip()
        if not key:
            return headers
        if not (key.isascii() and key.isprintable()):
            raise EncoderUnavailable(f"{self._key_name} holds what no key can: set it again.")
        return {**headers, "Authorization": f"Bearer {key}"}

    def _scrub(self, text: str) -> str:
        """Without the key, however the server came to echo it."""
        key = self._key().strip()
        return KEY_LIKE.sub(r"\1[key]", text.replace(key, "[key]") if key else text)


def _host(url: str) -> str:
    """Raises CheckpointInvalid for what is no plain http(s) URL: the rest of a URL is
    logged, so that no secret may be in it."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise CheckpointInvalid("The option url is not a URL.") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise CheckpointInvalid("The option url must begin with http:// or https://.")
    if parsed.userinfo or parsed.query:
        raise CheckpointInvalid("The option url holds a login or a query: use api_key instead.")
    return parsed.host


def retry_after(
    headers: Mapping[str, str], *, now: Callable[[], float] = time.time
) -> float | None:
    """Seconds to wait by `Retry-After`, a number or an HTTP date (RFC 9110, 10.2.3)."""
    value = headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now()
        except (ValueError, TypeError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _spread(pause: float) -> float:
    """A little later than we were told, since others were told the same."""
    return pause + random.uniform(0, min(1.0, pause / 10))  # noqa: S311 - no secret


def _pause(attempt: int) -> float:
    """Exponential with full jitter, so that clients do not come back all at once."""
    return random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt))  # noqa: S311 - no secret
