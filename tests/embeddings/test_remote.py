"""Model servers of one's own as encoders: nothing is cut, whoever would do it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

from embeddings.encoders.api.remote import RemoteEncoder
from embeddings.encoders.base import Document, Encoder, Task
from embeddings.encoders.estimate import EstimatedTokenizer, open_tokenizer
from embeddings.encoders.metering import metered
from embeddings.errors import CheckpointInvalid, EncoderUnavailable, TextNotEmbeddable
from tests.checkpoints.tokenizer_files import write_sentencepiece, write_wordpiece
from tests.standins.openai_server import DIMENSION, ModelServer
from tests.standins.server import Reply, echo_key, edit, status

LONG = "Refunds are paid within five days. Größe, naïve café — 日本語 😀 and more. " * 60
KINDS = ["vllm", "infinity", "tei", "openai", "unabridged"]
SECRET = "sekret-0123456789"


class Start(Protocol):
    def __call__(self, kind: str, **options: Any) -> ModelServer: ...


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts servers that end with the test."""
    with ExitStack() as stack:
        yield lambda kind, **options: stack.enter_context(ModelServer(kind, **options))


@pytest.fixture
def tokenizer(tmp_path: Path) -> str:
    write_sentencepiece(tmp_path)
    return str(tmp_path)


def encoder(at: ModelServer, /, **options: Any) -> RemoteEncoder:
    given = {"model": "m", "dimension": DIMENSION, "window": 512, "server": at.kind, **options}
    return RemoteEncoder(url=at.url, **given)


@pytest.mark.parametrize("kind", KINDS)
def test_article_is_read_whole_by_every_server(start: Start, kind: str, tokenizer: str) -> None:
    count = open_tokenizer(tokenizer).count
    server = start(kind, count=lambda text: count([text])[0])
    remote: Encoder = encoder(server, tokenizer=tokenizer)
    with metered() as meter:
        [embedded] = remote.encode_documents([Document(title="Refunds", body=LONG)])
    assert embedded.covered_characters == len(LONG)
    assert [embedded.tokens] == remote.count_tokens([LONG])
    assert server.read == [f"Refunds\n\n{LONG[p.start : p.end]}" for p in embedded.passages]
    assert meter.tokens >= embedded.tokens
    norms = [np.linalg.norm(v) for v in (embedded.vector, *(p.vector for p in embedded.passages))]
    assert norms == pytest.approx([1.0] * len(norms), abs=1e-5)


def test_question_finds_its_article(start: Start) -> None:
    remote = encoder(start("vllm"))
    refunds, calendar = remote.encode_documents(
        [
            Document(title="Refunds", body="A refund is paid back to the card."),
            Document(title="Calendar", body="Connect the calendar in the settings."),
        ]
    )
    [query] = remote.encode_queries(["refund to my card"])
    assert query @ refunds.vector > query @ calendar.vector


def test_each_server_is_asked_so_that_it_refuses_to_cut(start: Start, tokenizer: str) -> None:
    tei = start("tei", window=20)
    with pytest.raises(TextNotEmbeddable, match="must have less than 20 tokens"):
        encoder(tei).encode_queries(["why " * 30])
    assert tei.requests[0].path == "/embed"
    assert tei.bodies()[0]["truncate"] is False
    with pytest.raises(TextNotEmbeddable, match="maximum context length is 20"):
        encoder(start("vllm", window=20)).encode_queries(["why " * 30])
    with pytest.raises(CheckpointInvalid, match="option tokenizer"):
        encoder(start("infinity"))
    infinity = start("infinity", window=20)
    with pytest.raises(TextNotEmbeddable, match="does not fit the 22"):
        encoder(infinity, window=22, tokenizer=tokenizer).encode_queries(["why " * 30])
    assert infinity.requests == []


@pytest.mark.parametrize("kind", ["openai", "infinity"])
def test_server_that_cut_a_text_is_found_out(start: Start, kind: str, tokenizer: str) -> None:
    count = open_tokenizer(tokenizer).count
    server = start(kind, window=100, count=lambda text: count([text])[0])
    remote = encoder(server, tokenizer=tokenizer, window=512)
    with pytest.raises(TextNotEmbeddable, match="it cuts texts"):
        remote.encode_documents([Document(title="Refunds", body=LONG)])
    assert len(remote.encode_queries(["short enough"])) == 1


def test_wrong_estimate_is_refused_and_cut_smaller(start: Start) -> None:
    for kind in ("tei", "vllm"):
        server = start(kind, window=120, count=len)
        [embedded] = encoder(server).encode_documents([Document(title="Refunds", body=LONG)])
        assert embedded.covered_characters == len(LONG)
        assert all(len(text) <= 120 for text in server.read)
        assert embedded.passages[-1].end == len(LONG)


def test_text_that_fits_in_no_size_is_final(start: Start) -> None:
    with pytest.raises(TextNotEmbeddable):
        encoder(start("vllm", window=0)).encode_documents([Document(title="", body=LONG)])


def test_batch_that_is_too_large_is_halved(start: Start) -> None:
    server = start("tei")
    vectors = encoder(server, batch_items=100).encode(
        [f"text number{n}" for n in range(70)], Task.TEXT_MATCHING
    )
    assert vectors.shape == (70, DIMENSION)
    assert len(server.read) == 70
    one = encoder(server).encode(["text number42"], Task.TEXT_MATCHING)
    assert vectors[42] == pytest.approx(one[0], abs=1e-6)


def test_prompts_stand_in_front_of_texts(start: Start) -> None:
    server = start("vllm")
    remote = encoder(server, query_prompt="query: ", passage_prompt="passage: ")
    remote.encode_queries(["why"])
    remote.encode_documents([Document(title="T", body="because")])
    remote.encode(["as it is"], Task.TEXT_MATCHING)
    assert server.read == ["query: why", "passage: T\n\nbecause", "as it is"]


def test_dimensions_are_sent_where_asked_for(start: Start) -> None:
    for kind in ("vllm", "tei"):
        server = start(kind)
        encoder(server, send_dimensions=True).encode_queries(["why"])
        encoder(server).encode_queries(["why"])
        assert [body.get("dimensions") for body in server.bodies()] == [DIMENSION, None]


def test_nonsense_and_failures(start: Start) -> None:
    server = start("tei")
    for wrong in ([[0.0] * DIMENSION], [[0.1] * 3], [], {"error": "x"}, None, [["a"] * DIMENSION]):
        server.mishaps.append(lambda *_, body=wrong: Reply(body=body))
        with pytest.raises(EncoderUnavailable, match="nonsense"):
            encoder(server).encode_queries(["why"])
    server.mishaps.append(status(424, {"error": "inference failed", "error_type": "Backend"}))
    with pytest.raises(EncoderUnavailable, match="inference failed"):
        encoder(server).encode_queries(["why"])
    server.mishaps.append(status(429, {"error": "overloaded"}, Retry_After="0"))
    assert len(encoder(server).encode_queries(["why"])) == 1
    vllm = start("vllm")
    vllm.mishaps.append(edit(lambda body: {**body, "data": body["data"] * 2}))
    with pytest.raises(EncoderUnavailable, match="2 results for 1 texts"):
        encoder(vllm).encode_queries(["why"])
    vllm.mishaps.append(
        status(400, {"error": {"message": "No matryoshka here.", "param": "dimensions"}})
    )
    with pytest.raises(EncoderUnavailable, match="check the encoder's options"):
        encoder(vllm).encode_queries(["why"])


def test_key_is_sent_and_shown_nowhere(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    server = start("vllm", key=SECRET)
    remote = encoder(server, api_key=SECRET)
    seen = [repr(remote), repr(vars(remote)), repr(vars(remote._client)), remote.fingerprint]
    with caplog.at_level(logging.DEBUG):
        assert len(remote.encode_queries(["why"])) == 1
        server.always = echo_key
        with pytest.raises(EncoderUnavailable) as caught:
            remote.encode_queries(["why"])
    seen += [str(caught.value), *(record.getMessage() for record in caplog.records)]
    assert not [text for text in seen if SECRET in text]
    server.always = None
    with pytest.raises(EncoderUnavailable, match="check REMOTE_API_KEY"):
        encoder(server, api_key="wrong").encode_queries(["why"])


def test_fingerprint_holds_what_changes_vectors(
    start: Start, tokenizer: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    write_wordpiece(other)
    server = start("vllm")
    made = [
        encoder(server),
        encoder(server, model="n"),
        encoder(server, query_prompt="query: "),
        encoder(server, passage_prompt="query: "),
        encoder(server, passage_tokens=100),
        encoder(server, tokenizer=tokenizer),
        encoder(server, tokenizer=str(other)),
    ]
    assert len({each.fingerprint for each in made}) == len(made)
    assert encoder(server, batch_items=3, api_key="x").fingerprint == made[0].fingerprint


@pytest.mark.parametrize(
    "options", [{"server": "ollama"}, {"strategy": "whole_late"}, {"passage_prompt": "a " * 600}]
)
def test_options_that_do_not_go_together(start: Start, options: dict[str, Any]) -> None:
    with pytest.raises(CheckpointInvalid):
        encoder(start("vllm"), **options)


def test_estimate_is_on_the_high_side() -> None:
    texts = ["", "refund", "1234", "日本語です", "naïve café!", "Привет, мир", "한국어"]
    assert EstimatedTokenizer().count(texts) == [0, 2, 4, 5, 5, 4, 3]
    spans = EstimatedTokenizer().spans("one, two")
    assert spans.offsets == [(0, 3), (3, 4), (5, 8)]
    assert spans.words == [0, 0, 1]


def test_nothing_to_encode_is_no_error(start: Start) -> None:
    remote = encoder(start("vllm"))
    assert remote.encode_documents([]) == []
    assert remote.encode_queries([]).shape == (0, DIMENSION)
