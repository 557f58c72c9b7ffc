"""Jina's API as an encoder, against a server that follows its published schema."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr
from pytest_django import Settings

from embeddings.encoders.api.http import JsonClient
from embeddings.encoders.api.jina_api import JinaApiEncoder
from embeddings.encoders.api.late_calls import LateSizes, plan_calls
from embeddings.encoders.api.pacing import Pacer
from embeddings.encoders.base import Document, Task
from embeddings.encoders.estimate import EstimatedTokenizer, open_tokenizer
from embeddings.encoders.metering import metered
from embeddings.errors import CheckpointInvalid, TextNotEmbeddable
from kb.errors import InvalidInput
from tests.checkpoints.tokenizer_files import write_sentencepiece
from tests.standins.jina_server import KEY, JinaServer, bags, words
from tests.standins.server import Reply, Request

V2, V3 = "jina-embeddings-v2-base-en", "jina-embeddings-v3"
V4, V5 = "jina-embeddings-v4", "jina-embeddings-v5-text-small"
LONG = "Refunds are paid within five days. Größe, naïve café — 日本語 😀 and more.\n\n" * 40


@pytest.fixture(autouse=True)
def key(settings: Settings) -> None:
    settings.JINA_API_KEY = SecretStr(KEY)


def encoder(server: JinaServer, model: str = V3, **options: Any) -> JinaApiEncoder:
    return JinaApiEncoder(model=model, url=server.url, **options)


def joined(server: JinaServer) -> str:
    return "".join(text for body in server.bodies() for text in body["input"])


@pytest.mark.parametrize("model", [V2, V3, V4, V5])
def test_each_model_is_asked_as_its_schema_wants(server: JinaServer, model: str) -> None:
    jina = encoder(server, model)
    [embedded] = jina.encode_documents([Document(title="Refunds", body=LONG)])
    [query] = jina.encode_queries(["when is a refund paid"])
    assert embedded.vector.shape == query.shape == (jina.dimension,)
    assert np.linalg.norm([embedded.vector, query], axis=1) == pytest.approx([1, 1], abs=1e-5)
    assert embedded.covered_characters == len(LONG)
    assert all(body["truncate"] is False for body in server.bodies())
    tasks = [body.get("task") for body in server.bodies()]
    assert tasks == ([None] * 2 if model == V2 else ["retrieval.passage", "retrieval.query"])


def test_article_and_passages_come_from_one_request(server: JinaServer) -> None:
    text = "".join(f"# Part {n}\n\n{f'topic{n} word. ' * (20 + 7 * n)}\n\n" for n in range(6))
    jina = encoder(server)
    [embedded] = jina.encode_documents([Document(title="Refunds", body=text)])
    [body] = server.bodies()
    assert body["late_chunking"] is True
    assert body["normalized"] is False
    assert joined(server) == f"Refunds\n\n{text}"
    assert len(embedded.passages) == len(body["input"]) > 3
    raw = bags(body["input"], 1024) + 0.1 * bags(["".join(body["input"])], 1024)
    raw *= np.array([[1.0 + server.count(text) % 7] for text in body["input"]])
    unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    assert np.stack([each.vector for each in embedded.passages]) == pytest.approx(unit, abs=1e-5)
    weights = EstimatedTokenizer().count(body["input"])
    mean = np.average(raw, axis=0, weights=weights)
    assert embedded.vector == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)
    assert max(weights) > 2 * min(weights)


def test_article_over_the_window_takes_requests_that_overlap(server: JinaServer) -> None:
    body = "\n\n".join(f"Paragraph {number} is about topic{number}. " * 6 for number in range(900))
    [embedded] = encoder(server).encode_documents([Document(title="All topics", body=body)])
    assert len(server.requests) > 1
    sent = [each["input"] for each in server.bodies()]
    text = "".join(sent[0])
    for before, after in itertools.pairwise(sent):
        shared = max(n for n in range(1, 20) if before[-n:] == after[:n])
        text += "".join(after[shared:])
    assert text == f"All topics\n\n{body}"
    assert [p.start for p in embedded.passages[1:]] == [p.end for p in embedded.passages[:-1]]
    assert embedded.covered_characters == len(body)
    last = bags([body[embedded.passages[-1].start :]], 1024)[0]
    assert embedded.passages[-1].vector @ last > 0.9


@given(
    lengths=st.lists(st.integers(0, 60), min_size=1, max_size=200),
    request=st.integers(8, 300),
    context=st.integers(0, 100),
    items=st.integers(2, 40),
)
def test_calls_hold_each_piece_once_within_the_limits(
    lengths: list[int], request: int, context: int, items: int
) -> None:
    sizes = LateSizes(passage=60, request=request, context=context, items=items)
    calls = plan_calls(lengths, sizes)
    new = [index for call in calls for index in range(call.first, call.last)]
    assert new == list(range(len(lengths)))
    for call in calls:
        tokens = sum(lengths[call.context : call.last]) + call.last - call.context
        assert tokens <= request or (call.context, call.last) == (call.first, call.first + 1)
        assert call.last - call.context <= items
        assert sum(lengths[call.context : call.first]) <= context


@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(title=st.text(max_size=30), body=st.text(max_size=400))
def test_what_is_sent_is_the_text_whatever_it_is(server: JinaServer, title: str, body: str) -> None:
    server.requests.clear()
    jina = encoder(server, passage_tokens=8)
    if not title.strip() and not body.strip():
        with pytest.raises(TextNotEmbeddable, match="no text"):
            jina.encode_documents([Document(title=title, body=body)])
        return
    [embedded] = jina.encode_documents([Document(title=title, body=body)])
    assert joined(server) == (f"{title}\n\n{body}" if title.strip() else body)
    assert embedded.covered_characters == len(body)
    assert embedded.passages[0].start == 0
    assert embedded.passages[-1].end == len(body)


def test_wrong_estimate_is_refused_and_sent_in_smaller_pieces(server: JinaServer) -> None:
    server.count, server.window = len, 300  # a tokenizer that knows no word of it
    for model in (V3, V2):
        server.requests.clear()
        jina = encoder(server, model, passage_tokens=200)
        [embedded] = jina.encode_documents([Document(title="Refunds", body=LONG)])
        assert embedded.covered_characters == len(LONG)
        assert len({each.vector.tobytes() for each in embedded.passages}) > 1
        assert embedded.passages[-1].end == len(LONG)


def test_windows_of_many_articles_share_requests_in_order(server: JinaServer) -> None:
    jina = encoder(server, V5, passage_tokens=30, overlap=6, batch_items=7)
    documents = [Document(title=f"T{n}", body=f"word{n} is here. " * (5 * n + 1)) for n in range(9)]
    together = jina.encode_documents(documents)
    assert max(len(body["input"]) for body in server.bodies()) == 7
    for document, embedded in zip(documents, together, strict=True):
        [alone] = jina.encode_documents([document])
        assert embedded.vector == pytest.approx(alone.vector, abs=1e-5)
        assert [p.start for p in embedded.passages] == [p.start for p in alone.passages]


def test_tokens_are_exact_with_a_tokenizer_and_the_servers_without(
    server: JinaServer, tmp_path: Path
) -> None:
    write_sentencepiece(tmp_path)
    exact = open_tokenizer(str(tmp_path))
    for model in (V3, V2):
        server.count = lambda text: exact.count([text])[0]
        [counted] = encoder(server, model, tokenizer=str(tmp_path)).encode_documents(
            [Document(title="Refunds", body=LONG)]
        )
        assert [counted.tokens] == exact.count([LONG])
        server.count = words
        [estimated] = encoder(server, model).encode_documents([Document(title="", body=LONG)])
        assert estimated.tokens == pytest.approx(server.count(LONG), rel=0.05)


def test_question_over_the_window_is_refused_not_cut(server: JinaServer, tmp_path: Path) -> None:
    server.window = 50
    with pytest.raises(TextNotEmbeddable, match="INPUT_TOKEN_LIMIT_EXCEEDED"):
        encoder(server).encode_queries(["why " * 60])
    write_sentencepiece(tmp_path)
    sent = len(server.requests)
    with pytest.raises(TextNotEmbeddable, match="does not fit the 8192"):
        encoder(server, tokenizer=str(tmp_path)).encode_queries(["why " * 9000])
    with pytest.raises(TextNotEmbeddable, match="empty"):
        encoder(server).encode_queries(["  "])
    assert len(server.requests) == sent


def test_tasks_have_the_names_of_each_model(server: JinaServer) -> None:
    for model, name in [(V3, "separation"), (V5, "clustering")]:
        encoder(server, model).encode(["one text"], Task.SEPARATION)
        assert server.bodies()[-1]["task"] == name
    with pytest.raises(InvalidInput, match="v4 was not made for classification"):
        encoder(server, V4).encode(["one text"], Task.CLASSIFICATION)


def test_tokens_are_metered_from_pool_threads_too(server: JinaServer) -> None:
    documents = [Document(title=f"T{n}", body=LONG) for n in range(6)]
    with metered() as outer, metered() as meter:
        encoder(server).encode_documents(documents)
    encoder(server).encode_queries(["not metered"])
    assert meter.tokens == outer.tokens == 6 * server.count(f"T1\n\n{LONG}")


def test_text_that_was_cut_in_silence_is_found_out(server: JinaServer, tmp_path: Path) -> None:
    write_sentencepiece(tmp_path)
    count = open_tokenizer(str(tmp_path)).count
    server.count, server.window, server.cuts_in_silence = lambda text: count([text])[0], 50, True
    for model in (V3, V2):
        jina = encoder(server, model, tokenizer=str(tmp_path))
        with pytest.raises(TextNotEmbeddable, match="it cuts texts"):
            jina.encode_documents([Document(title="Refunds", body=LONG)])


def test_results_keep_their_order_when_answers_do_not(server: JinaServer) -> None:
    def shuffled(_: Request, reply: Reply) -> Reply:
        return Reply(body={**reply.body, "data": reply.body["data"][::-1]})

    texts = [f"text number{n}" for n in range(9)]
    straight = encoder(server).encode(texts, Task.TEXT_MATCHING)
    server.always = shuffled
    assert encoder(server).encode(texts, Task.TEXT_MATCHING) == pytest.approx(straight)


def test_numbers_are_accepted_in_place_of_base64(server: JinaServer) -> None:
    def as_numbers(_: Request, reply: Reply) -> Reply:
        rows = bags(["one text"], 1024)
        return Reply(body={**reply.body, "data": [{"index": 0, "embedding": rows[0].tolist()}]})

    straight = encoder(server).encode(["one text"], Task.TEXT_MATCHING)
    server.always = as_numbers
    assert encoder(server).encode(["one text"], Task.TEXT_MATCHING) == pytest.approx(straight)


@pytest.mark.parametrize(
    "options",
    [
        {"model": "jina-embeddings-v9"},
        {"model": V2, "dimensions": 256},
        {"model": V3, "dimensions": 1025},
        {"model": V5, "strategy": "whole_late"},
        {"model": V3, "strategy": "halves"},
        {"model": V3, "plan": "gold"},
        {"model": V2, "passage_tokens": 40, "overlap": 40},
        {"model": V3, "url": "ftp://api.jina.ai"},
        {"model": V3, "url": "https://user:secret@api.jina.ai"},
    ],
)
def test_options_that_a_model_does_not_have_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(CheckpointInvalid) as caught:
        JinaApiEncoder(**options)
    assert "secret" not in str(caught.value)


def test_fingerprint_holds_what_changes_vectors(server: JinaServer, tmp_path: Path) -> None:
    write_sentencepiece(tmp_path)
    made = [
        encoder(server),
        encoder(server, dimensions=256),
        encoder(server, strategy="windows"),
        encoder(server, passage_tokens=100),
        encoder(server, V2),
        encoder(server, tokenizer=str(tmp_path)),
    ]
    assert len({each.fingerprint for each in made}) == len(made)
    assert encoder(server, plan="tier2", api_key=KEY).fingerprint == made[0].fingerprint
    assert encoder(server, dimensions=256).encode_queries(["one text"]).shape == (1, 256)


def test_refused_requests_are_sent_again_when_the_server_says(server: JinaServer) -> None:
    server.rate, server.seconds, server.tells_remaining = (8, 1e9, 1000), 0.4, False
    documents = [Document(title=f"T{n}", body=f"body {n}") for n in range(12)]
    assert len(encoder(server).encode_documents(documents)) == 12
    assert server.spent == sum(server.count(f"T{n}\n\nbody {n}") for n in range(12))


def test_no_request_is_refused_while_the_headers_are_heeded(server: JinaServer) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        server.forget()

    pacer = Pacer(
        requests_per_minute=500,
        tokens_per_minute=1e6,
        concurrency=5,
        clock=lambda: now[0],
        sleep=sleep,
    )
    client = JsonClient(server.url, key=lambda: KEY, pacer=pacer)
    server.rate = (4, 1e9, 5)  # less than the plan we think we have
    for _ in range(12):
        client.post("/embeddings", {"model": V3, "input": ["a text"]})
    assert len(server.requests) == 12
    assert now[0] >= 120
