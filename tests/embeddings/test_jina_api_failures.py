"""What the API and the net between can do wrong, and what the encoder makes of it."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import pytest
from pytest_django import Settings

from embeddings.encoders.api.http import JsonClient, retry_after
from embeddings.encoders.api.jina_api import JinaApiEncoder
from embeddings.encoders.api.pacing import Pacer
from embeddings.encoders.api.refusals import error_for, read_refusal
from embeddings.encoders.base import Document, Task
from embeddings.errors import EncoderUnavailable, TextNotEmbeddable
from tests.standins.jina_server import KEY, JinaServer
from tests.standins.server import (
    Mishap,
    cut_connection,
    echo_key,
    edit,
    not_json,
    slow,
    status,
)


@pytest.fixture(autouse=True)
def key(settings: Settings) -> None:
    settings.JINA_API_KEY = KEY


def ask(server: JinaServer, **options: Any) -> None:
    jina = JinaApiEncoder(model="jina-embeddings-v3", url=server.url, **options)
    jina.encode(["a text", "another text"], Task.TEXT_MATCHING)


def test_what_passes_is_tried_again(server: JinaServer) -> None:
    server.mishaps.extend(status(code, Retry_After="0") for code in (500, 502, 503, 504))
    ask(server)
    assert len(server.requests) == 5
    server.mishaps.extend([status(429, Retry_After="0"), cut_connection])
    ask(server)
    assert len(server.requests) == 8


def test_what_does_not_pass_is_given_up(server: JinaServer) -> None:
    server.always = status(503, Retry_After="0")
    with pytest.raises(EncoderUnavailable, match=r"127\.0\.0\.1 .* try again later"):
        ask(server)
    assert len(server.requests) == 5
    server.always = cut_connection
    with pytest.raises(EncoderUnavailable, match=r"cannot be reached .* try again later"):
        ask(server, seconds=0.3)
    assert 6 <= len(server.requests) <= 10


def refused(code: int, name: str, **more: Any) -> Mishap:
    return status(code, {"detail": "Because.", "code": name, "request_id": "1", **more})


@pytest.mark.parametrize(
    ("mishap", "kind", "words"),
    [
        (
            refused(401, "AUTH_INVALID_API_KEY"),
            EncoderUnavailable,
            "refused the key .*JINA_API_KEY",
        ),
        (refused(403, "AUTHZ_INSUFFICIENT_BALANCE"), EncoderUnavailable, "top it up"),
        (refused(403, "AUTHZ_OTHER"), EncoderUnavailable, "forbids"),
        (refused(404, "RESOURCE_NOT_FOUND"), EncoderUnavailable, "options model and url"),
        (refused(400, "INPUT_MODEL_NOT_FOUND"), EncoderUnavailable, "options model and url"),
        (refused(409, "CONFLICT_RESOURCE_BUSY"), EncoderUnavailable, "409"),
        (status(400, "<html>Bad Request: plain HTTP sent"), EncoderUnavailable, "options"),
        (
            refused(422, "", errors=[{"field": "body.dimensions", "message": "too many"}]),
            EncoderUnavailable,
            "options",
        ),
        (
            status(422, {"detail": [{"loc": ["body", "task"], "msg": "no such input"}]}),
            EncoderUnavailable,
            "options",
        ),
        (status(302, "", Location="http://127.0.0.1:1/"), EncoderUnavailable, "redirects"),
        (refused(400, "INPUT_TOKEN_LIMIT_EXCEEDED"), TextNotEmbeddable, "too long"),
        (status(413, "<html>Request Entity Too Large"), TextNotEmbeddable, "too long"),
        (
            refused(422, "", errors=[{"field": "body.input.0", "message": "is empty"}]),
            TextNotEmbeddable,
            "does not accept the text",
        ),
        (
            status(422, {"detail": [{"loc": ["body", "input", 0], "msg": "no"}]}),
            TextNotEmbeddable,
            "does not accept the text",
        ),
    ],
)
def test_final_refusals_are_not_tried_again(
    server: JinaServer, mishap: Mishap, kind: type[Exception], words: str
) -> None:
    server.always = mishap
    jina = JinaApiEncoder(model="jina-embeddings-v3", url=server.url)
    with pytest.raises(kind, match=words):
        jina.encode_queries(["a question"])
    assert len(server.requests) == 1


def _rows(change: Any) -> Mishap:
    return edit(lambda body: {**body, "data": change(body["data"])})


def _vector(vector: Any) -> Mishap:
    return _rows(lambda data: [data[0], {**data[1], "embedding": vector}])


@pytest.mark.parametrize(
    ("mishap", "words"),
    [
        (not_json, "not JSON"),
        (edit(lambda _: ["hello"]), "no list of results"),
        (edit(lambda _: {"data": None}), "no list of results"),
        (_rows(lambda data: data[:1]), "1 results for 2 texts"),
        (_rows(lambda data: [*data, data[0]]), "3 results for 2 texts"),
        (_rows(lambda data: [data[0], data[0]]), "each once"),
        (_rows(lambda data: [data[0], {**data[1], "index": True}]), "each once"),
        (_rows(lambda data: [data[0], "two"]), "each once"),
        (_vector([0.5] * 3), r"shape \(3,\)"),
        (_vector([0.5] * 1023 + [float("nan")]), "not finite"),
        (_vector([0.5] * 1023 + [1e300]), "not finite"),
        (_vector([0.5] * 1023 + [10**400]), "not finite"),
        (_vector([0.0] * 1024), "zeros"),
        (_vector(["0.5"] * 1024), "neither numbers nor base64"),
        (_vector("not base64!"), "not base64"),
        (_vector("AAAA"), "not base64"),
        (_vector(None), "neither"),
        (edit(lambda body: {**body, "model": "jina-embeddings-v9"}), "another model"),
    ],
)
def test_nonsense_is_never_taken_for_vectors(
    server: JinaServer, mishap: Mishap, words: str
) -> None:
    server.always = mishap
    with pytest.raises(EncoderUnavailable, match=f"answered nonsense: .*{words}"):
        ask(server)
    assert len(server.requests) == 1


def test_slow_server_is_not_waited_for_forever(server: JinaServer) -> None:
    server.always = slow(0.5)
    began = time.monotonic()
    with pytest.raises(EncoderUnavailable, match=r"cannot be reached .*Timeout"):
        ask(server, seconds=0.15)
    assert time.monotonic() - began < 5


def test_nobody_at_the_other_end(server: JinaServer) -> None:
    jina = JinaApiEncoder(model="jina-embeddings-v3", url="http://127.0.0.1:9/v1", seconds=0.2)
    with pytest.raises(EncoderUnavailable, match="cannot be reached"):
        jina.encode_queries(["a question"])
    assert server.requests == []


def test_server_says_when_to_come_back(server: JinaServer) -> None:
    slept: list[float] = []
    client = JsonClient(server.url, key=lambda: KEY, sleep=slept.append)
    server.mishaps.extend([status(503, Retry_After="7"), status(503, Retry_After="0")])
    client.post("/embeddings", {"model": "jina-embeddings-v3", "input": ["a text"]})
    assert 7 <= slept[0] <= 7.7  # a little later: others were told the same
    assert slept[1] == 0
    server.mishaps.append(status(503, Retry_After="3600"))
    with pytest.raises(EncoderUnavailable):
        client.post("/embeddings", {"model": "jina-embeddings-v3", "input": ["a text"]})
    assert len(slept) == 2


def test_pauses_grow_and_differ(server: JinaServer) -> None:
    slept: list[float] = []
    client = JsonClient(server.url, key=lambda: KEY, sleep=slept.append, attempts=4)
    for _ in range(12):
        server.mishaps.extend([status(503)] * 3)
        client.post("/embeddings", {"model": "jina-embeddings-v3", "input": ["a text"]})
    assert len(set(slept)) == len(slept) == 36
    assert all(0 <= pause <= 0.5 * 2 ** (1 + place % 3) for place, pause in enumerate(slept))


@pytest.mark.parametrize(
    "detail",
    [
        "Model jina-embeddings-v5-text-small not found",
        "Invalid model name passed in model=text-embedding-3-small",
        "Your organization must be verified to use text-embedding-3-large",
        "input tokens per minute budget exceeded",
    ],
)
def test_what_is_wrong_with_the_setup_is_not_held_against_the_text(detail: str) -> None:
    refusal = read_refusal(400, json.dumps({"detail": detail}), str)
    error = error_for(refusal, server="it", key_name="KEY")
    assert isinstance(error, EncoderUnavailable)


def test_all_wait_when_the_server_refuses_one(server: JinaServer) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    pacer = Pacer(
        requests_per_minute=9, tokens_per_minute=9, concurrency=1, clock=lambda: now[0], sleep=sleep
    )
    client = JsonClient(server.url, key=lambda: KEY, pacer=pacer, sleep=lambda _: None)
    server.mishaps.append(status(429, Retry_After="7"))
    client.post("/embeddings", {"model": "jina-embeddings-v3", "input": ["a text"]})
    assert now == [7]


def test_retry_after_is_seconds_or_a_date() -> None:
    def now() -> float:
        return 1_445_412_480.0  # 2015-10-21 07:28:00 GMT

    assert retry_after({"Retry-After": "1.5"}, now=now) == 1.5
    assert retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT"}, now=now) == 30
    assert retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, now=now) == 0
    assert retry_after({"Retry-After": "Wed, 21 Oct 2015 07:27:00 GMT"}, now=now) == 0
    for odd in ("", "soon", "nan", "inf", "-"):
        assert retry_after({"Retry-After": odd}, now=now) is None
    assert retry_after({}) is None


def test_key_shows_up_nowhere(
    server: JinaServer, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    settings.JINA_API_KEY = ""
    jina = JinaApiEncoder(model="jina-embeddings-v3", url=server.url, api_key=KEY, seconds=0.3)
    seen = [repr(jina), repr(vars(jina)), jina.fingerprint, repr(vars(jina._client))]
    with caplog.at_level(logging.DEBUG):
        jina.encode_queries(["a question"])
        leak = status(500, {"detail": f"{KEY} {KEY[:30]}"}, Retry_After="0")
        for mishap in (echo_key, leak, cut_connection):
            server.always = mishap
            with pytest.raises(EncoderUnavailable) as caught:
                jina.encode_queries(["a question"])
            seen += [str(caught.value), repr(caught.value), repr(caught.value.__cause__)]
    seen += [f"{record.getMessage()} {record.args!r}" for record in caplog.records]
    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"
    assert len(caplog.records) > 3
    assert not [text for text in seen if KEY[:20] in text]


def test_key_that_is_missing_or_impossible_sends_nothing(
    server: JinaServer, settings: Settings
) -> None:
    for key, words in [("", "set JINA_API_KEY"), ("jina_ключ", "no key can"), ("a\nb", "no key")]:
        settings.JINA_API_KEY = key
        with pytest.raises(EncoderUnavailable, match=words) as caught:
            ask(server)
        assert not key or key not in str(caught.value)
    assert server.requests == []
    settings.JINA_API_KEY = f" {KEY}\n"  # as files of secrets end
    ask(server)
    settings.JINA_API_KEY = "jina_old"
    with pytest.raises(EncoderUnavailable, match="AUTH_INVALID_API_KEY"):
        ask(server)


def test_half_a_character_is_final_for_its_text(server: JinaServer) -> None:
    jina = JinaApiEncoder(model="jina-embeddings-v3", url=server.url)
    with pytest.raises(TextNotEmbeddable, match="surrogate"):
        jina.encode_documents([Document(title="", body="half \ud83d a smile")])
    with pytest.raises(TextNotEmbeddable, match="surrogate"):
        jina.encode_queries(["half \ud83d a smile"])
    assert server.requests == []


def test_first_failure_stops_the_rest(server: JinaServer) -> None:
    server.always = refused(401, "AUTH_INVALID_API_KEY")
    jina = JinaApiEncoder(model="jina-embeddings-v3", url=server.url)
    documents = [Document(title=f"T{n}", body="text") for n in range(200)]
    with pytest.raises(EncoderUnavailable):
        jina.encode_documents(documents)
    assert len(server.requests) < 150
