"""The encoder server over HTTP, asked by raw requests, the openai client and our own clients."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from pytest_django import Settings

from embeddings.encoders.api.jina_api import JinaApiEncoder
from embeddings.encoders.api.served import ServedEncoder
from embeddings.encoders.base import Document, Encoder, Matrix, Task
from embeddings.encoders.hash import HashEncoder
from embeddings.encoders.local import LocalEncoder
from embeddings.encoders.models.jina_v3 import jina_v3
from embeddings.encoders.registry import get_encoder
from embeddings.errors import EncoderUnavailable, FingerprintChanged, TextNotEmbeddable
from embeddings.rerankers.cross_encoder import CrossEncoderReranker
from embeddings.server.catalog import Catalog, published_names
from tests.checkpoints.bge_m3 import write_cross_encoder
from tests.checkpoints.jina_v3 import write_jina_v3
from tests.standins.encoder_server import running_server

KEY = "encoder-secret-1"
TEXTS = ["How do I get my money back?", "Größe — 日本語 😀"]
DOCUMENT = {"title": "T", "body": "x"}
BODY = "# Refunds\n\nA refund is paid to the card within five days. " * 30


@pytest.fixture(scope="module")
def v3(tmp_path_factory: pytest.TempPathFactory) -> LocalEncoder:
    """A tiny jina-v3."""
    return jina_v3(checkpoint=str(write_jina_v3(tmp_path_factory.mktemp("v3"))))


@pytest.fixture(scope="module")
def catalog(v3: LocalEncoder, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Two encoders and a reranker."""
    folder = tmp_path_factory.mktemp("reranker")
    write_cross_encoder(folder)
    return Catalog(
        encoders={"jina-v3": v3, "hash": HashEncoder()},
        rerankers={"bge-reranker-v2-m3": CrossEncoderReranker(checkpoint=str(folder))},
        published={"jina-embeddings-v3": "jina-v3"},
    )


@pytest.fixture(scope="module")
def url(catalog: Catalog) -> Iterator[str]:
    """A server with a key."""
    with running_server(catalog, api_key=KEY) as address:
        yield address


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    """With the key."""
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        yield client


def vectors(answer: httpx.Response) -> Matrix:
    """Vectors of an answer in floats."""
    assert answer.status_code == 200, answer.text
    return np.array([each["embedding"] for each in answer.json()["data"]], dtype=np.float32)


def ask(http: httpx.Client, **fields: Any) -> httpx.Response:
    """POST /v1/embeddings."""
    return http.post("/v1/embeddings", json={"model": "jina-v3", "input": TEXTS, **fields})


@pytest.mark.parametrize("task", list(Task))
def test_every_task_is_the_encoders_own(http: httpx.Client, v3: LocalEncoder, task: Task) -> None:
    assert vectors(ask(http, task=task)) == pytest.approx(v3.encode(TEXTS, task), abs=1e-5)


def test_task_left_out_is_text_matching_and_clustering_is_separation(
    http: httpx.Client, v3: LocalEncoder
) -> None:
    assert vectors(ask(http)) == pytest.approx(v3.encode(TEXTS, Task.TEXT_MATCHING), abs=1e-5)
    separation = v3.encode(TEXTS, Task.SEPARATION)
    assert vectors(ask(http, task="clustering")) == pytest.approx(separation, abs=1e-5)


def test_dimensions_shorten(http: httpx.Client, v3: LocalEncoder) -> None:
    full = v3.encode(TEXTS, Task.RETRIEVAL_QUERY)
    expected = full[:, :40] / np.linalg.norm(full[:, :40], axis=1, keepdims=True)
    short = vectors(ask(http, task="retrieval.query", dimensions=40))
    assert short == pytest.approx(expected, abs=1e-5)


def test_not_normalized_is_the_pooled_mean(http: httpx.Client, v3: LocalEncoder) -> None:
    raw = vectors(ask(http, task="retrieval.query", normalized=False))
    assert raw == pytest.approx(v3.pool(TEXTS, Task.RETRIEVAL_QUERY), abs=1e-4)
    assert np.abs(np.linalg.norm(raw, axis=1) - 1).min() > 0.1


def test_late_chunking_of_pieces_is_that_of_the_whole(http: httpx.Client, v3: LocalEncoder) -> None:
    """The token-weighted mean of the pieces is the vector of the joined text."""
    pieces = ["A refund is paid. ", "It takes five days. ", "Then it is there."]
    answer = ask(http, input=pieces, task="retrieval.passage", late_chunking=True, normalized=False)
    late = vectors(answer)
    alone = v3.pool(pieces, Task.RETRIEVAL_PASSAGE)
    whole = v3.pool(["".join(pieces)], Task.RETRIEVAL_PASSAGE)
    assert late.shape == alone.shape
    assert np.abs(late - alone).max() > 0.05  # each piece has seen the others
    coordinates, *_ = np.linalg.lstsq(late.T, whole[0], rcond=None)
    assert coordinates.sum() == pytest.approx(1, abs=1e-3)
    assert late.T @ coordinates == pytest.approx(whole[0], abs=1e-3)


def test_forms_of_a_vector(http: httpx.Client, v3: LocalEncoder) -> None:
    forms = ["float", "base64", "binary", "ubinary"]
    [row, _] = v3.encode(TEXTS, Task.TEXT_MATCHING)
    answer = ask(http, embedding_type=forms).json()["data"][0]["embedding"]
    decoded = np.frombuffer(base64.b64decode(answer["base64"]), dtype="<f4")
    bits = np.unpackbits(np.array(answer["ubinary"], dtype=np.uint8))
    assert decoded == pytest.approx(row, abs=1e-5)
    assert answer["float"] == pytest.approx(row.tolist(), abs=1e-5)
    assert np.array_equal(bits, (np.array(answer["float"]) > 0).astype(np.uint8))
    assert [value + 128 for value in answer["binary"]] == answer["ubinary"]


def test_truncate_cuts_only_when_asked_to(tmp_path: Path) -> None:
    tiny = jina_v3(checkpoint=str(write_jina_v3(tmp_path, positions=66)))
    served = Catalog(encoders={"jina-v3": tiny}, rerankers={}, published={})
    long = "A refund is paid to the card within five days. " * 20
    with running_server(served) as address, httpx.Client(base_url=address) as http:
        refused = ask(http, input=[long])
        assert refused.status_code == 400
        assert refused.json()["code"] == "INPUT_TOKEN_LIMIT_EXCEEDED"
        cut = vectors(ask(http, input=[long], truncate=True))
        [fitting] = tiny.truncate([long], Task.TEXT_MATCHING)
        assert 0 < len(fitting) < len(long)
        assert tiny.count_tokens([fitting])[0] + 2 == tiny.window
        assert cut == pytest.approx(tiny.encode([fitting], Task.TEXT_MATCHING), abs=1e-5)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"input": []}, "input"),
        ({"input": [1, 2, 3]}, "input"),
        ({"task": "retrieval"}, "task"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": 31}, "dimensions"),
        ({"dimensions": 65}, "dimensions"),
        ({"embedding_type": "int8"}, "embedding_type"),
        ({"normalised": True}, "normalised"),
    ],
)
def test_bad_fields_are_named(http: httpx.Client, fields: dict[str, Any], complaint: str) -> None:
    answer = ask(http, **fields)
    assert answer.status_code == 422
    assert complaint in answer.json()["detail"]


def test_unknown_model_lists_those_there_are(http: httpx.Client) -> None:
    answer = ask(http, model="gpt-9")
    assert answer.status_code == 400
    assert "jina-v3, hash" in answer.json()["detail"]


def test_broken_json_is_a_clear_error(http: httpx.Client) -> None:
    answer = http.post("/v1/embeddings", content=b"{")
    assert answer.status_code == 422
    assert "JSON" in answer.json()["detail"]


def test_too_large_a_request_is_refused(http: httpx.Client) -> None:
    answer = ask(http, input=["x" * (17 * 1024 * 1024)])
    assert answer.status_code == 413


@pytest.mark.parametrize("key", [b"", b"Bearer wrong", f"Basic {KEY}".encode(), b"Bearer \xfc"])
def test_no_key_no_vectors(url: str, key: bytes) -> None:
    headers = [(b"Authorization", key)] if key else []
    for path in ("/v1/embeddings", "/v1/documents", "/v1/rerank"):
        assert httpx.post(f"{url}{path}", headers=headers, json={}).status_code == 401
    assert httpx.get(f"{url}/v1/models", headers=headers).status_code == 401
    assert httpx.get(f"{url}/health").json()["status"] == "ok"


def test_models_are_listed_with_what_matters(http: httpx.Client, v3: LocalEncoder) -> None:
    listed = {each["id"]: each for each in http.get("/v1/models").json()["data"]}
    assert list(listed) == ["jina-v3", "hash", "bge-reranker-v2-m3"]
    assert listed["jina-v3"]["fingerprint"] == v3.fingerprint
    assert listed["jina-v3"]["context_length"] == 8192


def test_openai_client_works_unchanged(url: str, v3: LocalEncoder) -> None:
    client = openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0)
    answer = client.embeddings.create(model="jina-embeddings-v3", input=TEXTS, dimensions=48)
    full = v3.encode(TEXTS, Task.TEXT_MATCHING)[:, :48]
    expected = full / np.linalg.norm(full, axis=1, keepdims=True)
    assert np.array([each.embedding for each in answer.data]) == pytest.approx(expected, abs=1e-5)
    assert answer.usage.total_tokens == sum(v3.count_tokens(TEXTS))
    assert next(model.id for model in client.models.list()) == "jina-v3"
    with pytest.raises(openai.BadRequestError, match="No model 'nope'"):
        client.embeddings.create(model="nope", input="x")
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{url}/v1", api_key="no").embeddings.create(model="hash", input="x")


def test_jina_client_works_unchanged_and_gives_the_same_article(url: str, v3: LocalEncoder) -> None:
    """Whole article and passages out of one late-chunking call equal those made in-process."""
    client = JinaApiEncoder(model="jina-embeddings-v3", api_key=KEY, url=f"{url}/v1", dimensions=64)
    asked = client.encode_queries(TEXTS)
    assert asked == pytest.approx(v3.encode_queries(TEXTS), abs=1e-4)
    document = Document(title="Money", body=BODY)
    [theirs] = client.encode_documents([document])
    [ours] = v3.encode_documents([document])
    assert theirs.vector @ ours.vector == pytest.approx(1, abs=0.01)
    assert theirs.covered_characters == len(BODY)


def test_reranker_is_served(http: httpx.Client, catalog: Catalog) -> None:
    reranker = catalog.rerankers["bge-reranker-v2-m3"]
    plain = ["A refund is paid.", "Connect the calendar.", "Größe"]
    documents = [plain[0], {"text": plain[1]}, plain[2]]
    body = {"model": "bge-reranker-v2-m3", "query": "refund", "documents": documents}
    results = http.post("/v1/rerank", json=body).json()["results"]
    scores = reranker.rerank("refund", plain)
    assert [each["index"] for each in results] == sorted(range(3), key=lambda i: -scores[i])
    for each in results:
        assert each["relevance_score"] == pytest.approx(scores[each["index"]], abs=1e-5)
        assert each["document"]["text"] == plain[each["index"]]
    best = http.post("/v1/rerank", json={**body, "top_n": 1, "return_documents": False}).json()
    assert best["results"] == [{k: results[0][k] for k in ("index", "relevance_score")}]


class TestServedEncoder:
    """ENCODER_URL: the same encoder, its weights elsewhere."""

    def test_vectors_are_the_local_ones(self, url: str, v3: LocalEncoder) -> None:
        served = ServedEncoder(v3, alias="jina-v3", url=url, api_key=KEY)
        assert served.fingerprint == v3.fingerprint
        for task in Task:
            expected = v3.encode(TEXTS, task)
            assert served.encode(TEXTS, task) == pytest.approx(expected, abs=1e-5)
        documents = [Document(title="Money", body=BODY), Document(title="T", body="short 😀")]
        for theirs, ours in zip(
            served.encode_documents(documents), v3.encode_documents(documents), strict=True
        ):
            assert theirs.vector == pytest.approx(ours.vector, abs=1e-5)
            assert theirs.tokens == ours.tokens
            places = [(p.start, p.end, p.tokens) for p in ours.passages]
            assert [(p.start, p.end, p.tokens) for p in theirs.passages] == places

    def test_an_encoder_that_changed_behind_the_name_is_refused(self) -> None:
        encoders: dict[str, Encoder] = {"hash": HashEncoder()}
        served = Catalog(encoders=encoders, rerankers={}, published={})
        with running_server(served) as url:
            client = ServedEncoder(HashEncoder(), alias="hash", url=url)
            assert client.encode_queries(["x"]).shape == (1, 64)
            encoders["hash"] = HashEncoder(name="other")
            with pytest.raises(FingerprintChanged, match="build a new index version"):
                client.encode_queries(["x"])
            assert client.fingerprint == HashEncoder(name="other").fingerprint
            with pytest.raises(EncoderUnavailable, match="--encoder minilm"):
                _ = ServedEncoder(HashEncoder(), alias="minilm", url=url).fingerprint

    def test_weights_are_needed_by_the_server_only(
        self, url: str, v3: LocalEncoder, tmp_path: Path
    ) -> None:
        folder = write_jina_v3(tmp_path)
        for weights in folder.rglob("*.safetensors"):
            weights.unlink()
        client = ServedEncoder(
            jina_v3(checkpoint=str(folder)), alias="jina-v3", url=url, api_key=KEY
        )
        assert client.fingerprint == v3.fingerprint
        assert client.encode_queries(TEXTS) == pytest.approx(v3.encode_queries(TEXTS), abs=1e-5)
        assert client.count_tokens(TEXTS) == v3.count_tokens(TEXTS)

    def test_what_somebody_waits_for_goes_first_whatever_its_task(self) -> None:
        """The sentences of an answer are encoded as passages, while articles are imported."""
        slow = Slow()
        served = Catalog(encoders={"slow": slow}, rerankers={}, published={})
        with running_server(served, queries=4, bulk=0) as url:
            slow.go.set()
            client = ServedEncoder(slow, alias="slow", url=url)
            assert client.encode(["x"] * 9, Task.RETRIEVAL_PASSAGE).shape == (9, 64)
            answer = httpx.post(
                f"{url}/v1/documents", json={"model": "slow", "documents": [DOCUMENT]}
            )
            assert answer.status_code == 429

    def test_text_over_the_window_is_final_and_the_server_away_is_not(
        self, url: str, v3: LocalEncoder
    ) -> None:
        served = ServedEncoder(v3, alias="jina-v3", url=url, api_key=KEY)
        with pytest.raises(TextNotEmbeddable):
            served.encode_queries(["money " * 9000])
        with pytest.raises(EncoderUnavailable, match="ENCODER_API_KEY"):
            ServedEncoder(v3, alias="jina-v3", url=url, api_key="no").encode_queries(["x"])

    def test_registry_uses_it_for_local_families_only(self, settings: Settings, url: str) -> None:
        settings.ENCODER_URL = url
        assert isinstance(get_encoder("minilm"), ServedEncoder)
        assert isinstance(get_encoder("hash"), HashEncoder)


def test_names_that_two_encoders_share_mean_neither() -> None:
    class Named(HashEncoder):
        name = "bge-m3"

    encoders: dict[str, Encoder] = {"bge-m3": Named(name="a"), "long": Named(name="b")}
    assert published_names(encoders) == {}
    served = Catalog(encoders=encoders, rerankers={}, published={"bge-m3": "long"})
    assert served.encoder("bge-m3") is encoders["bge-m3"]
    assert published_names({"alias": Named(name="a")}) == {"bge-m3": "alias"}


class Slow(HashEncoder):
    """Bulk work that ends when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.go = threading.Semaphore(0), threading.Event()

    def encode(self, texts: Sequence[str], task: Task) -> Matrix:
        """Held."""
        self.entered.release()
        assert self.go.wait(20)
        return super().encode(texts, task)


class TestAdmission:
    """What may wait is bounded, for bulk work and questions apart."""

    def test_past_the_limit_it_is_429_at_once_and_questions_still_get_in(self) -> None:
        slow = Slow()
        encoders: dict[str, Encoder] = {"slow": slow, "hash": HashEncoder()}
        served = Catalog(encoders=encoders, rerankers={}, published={})
        bulk = {"model": "slow", "input": ["x"], "task": "retrieval.passage"}
        question = {"model": "hash", "input": ["x"], "task": "retrieval.query"}
        with running_server(served, queries=4, bulk=2) as url, ThreadPoolExecutor(2) as pool:
            address = f"{url}/v1/embeddings"
            waiting = [pool.submit(httpx.post, address, json=bulk, timeout=30) for _ in range(2)]
            assert slow.entered.acquire(timeout=10)
            assert slow.entered.acquire(timeout=10)
            refused = httpx.post(address, json=bulk)
            assert refused.status_code == 429
            assert int(refused.headers["Retry-After"]) > 0
            assert httpx.post(address, json=question).status_code == 200
            slow.go.set()
            assert [each.result().status_code for each in waiting] == [200, 200]
            assert httpx.post(address, json=bulk).status_code == 200
