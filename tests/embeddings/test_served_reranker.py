"""Our own encoder server as a reranker: by ENCODER_URL, and by the options of the Jina client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from pytest_django import Settings

from embeddings.encoders.metering import metered
from embeddings.errors import CheckpointInvalid, EncoderUnavailable, TextTooLong
from embeddings.rerankers.cross_encoder import CrossEncoderReranker
from embeddings.rerankers.jina_api import JinaApiReranker
from embeddings.rerankers.registry import forget_rerankers, get_local_reranker, get_reranker
from embeddings.rerankers.served import ServedReranker
from embeddings.server.catalog import Catalog, load_catalog
from tests.checkpoints.bge_m3 import write_cross_encoder
from tests.standins.encoder_server import running_server

KEY = "encoder-secret-2"
QUESTION = "When is a refund paid?"
DOCUMENTS = [
    "A refund is paid within five days.",
    "Connect the calendar.",
    "Gr\u00f6\u00dfe \U0001f600",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny cross-encoder with a window of 128."""
    return write_cross_encoder(tmp_path_factory.mktemp("reranker"), kind="bert")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """A server that serves it as `tiny`."""
    served = {"tiny": CrossEncoderReranker(checkpoint=str(folder))}
    with running_server(
        Catalog(encoders={}, rerankers=served, published={}), api_key=KEY
    ) as address:
        yield address


@pytest.fixture
def configured(settings: Settings, folder: Path, url: str) -> Iterator[None]:
    """The same one here, with the server's address."""
    settings.RERANKERS = {
        alias: {
            "BACKEND": "embeddings.rerankers.cross_encoder.CrossEncoderReranker",
            "OPTIONS": {"checkpoint": str(folder)},
        }
        for alias in ("tiny", "not-served")
    }
    settings.ENCODER_URL = url
    settings.ENCODER_API_KEY = SecretStr(KEY)
    forget_rerankers()
    yield
    forget_rerankers()


@pytest.fixture
def local(folder: Path) -> CrossEncoderReranker:
    """In this process."""
    return CrossEncoderReranker(checkpoint=str(folder))


@pytest.mark.usefixtures("configured")
def test_encoder_url_serves_local_rerankers(local: CrossEncoderReranker) -> None:
    served = get_reranker("tiny")
    assert isinstance(served, ServedReranker)
    assert served is get_reranker("tiny")
    with metered() as meter:
        scores = served.rerank(QUESTION, DOCUMENTS)
    assert scores == pytest.approx(local.rerank(QUESTION, DOCUMENTS), abs=1e-5)
    assert served.fingerprint == local.fingerprint
    assert served.window == local.window == 128
    assert served.count_tokens(QUESTION, DOCUMENTS) == local.count_tokens(QUESTION, DOCUMENTS)
    assert meter.tokens == 0  # nobody pays for it


@pytest.mark.usefixtures("configured")
def test_server_itself_loads_the_weights() -> None:
    assert isinstance(get_local_reranker("tiny"), CrossEncoderReranker)
    catalog = load_catalog([], ["tiny"])
    assert isinstance(catalog.rerankers["tiny"], CrossEncoderReranker)


@pytest.mark.usefixtures("configured")
def test_one_that_the_server_does_not_serve_is_unavailable() -> None:
    with pytest.raises(EncoderUnavailable, match="not-served"):
        get_reranker("not-served").rerank(QUESTION, DOCUMENTS)


@pytest.mark.usefixtures("configured")
def test_pair_over_the_window_is_told_as_such() -> None:
    with pytest.raises(TextTooLong, match="INPUT_TOKEN_LIMIT_EXCEEDED"):
        get_reranker("tiny").rerank(QUESTION, ["word " * 200])


def ours(server: str, **options: Any) -> JinaApiReranker:
    """Jina's client pointed at our server."""
    given = {"model": "tiny", "url": f"{server}/v1", "api_key": KEY, "window": 128, **options}
    return JinaApiReranker(**given)


def test_jina_client_with_an_url_speaks_to_our_server(
    url: str, local: CrossEncoderReranker
) -> None:
    client = ours(url)
    assert client.rerank(QUESTION, DOCUMENTS) == pytest.approx(
        local.rerank(QUESTION, DOCUMENTS), abs=1e-5
    )
    assert (client.window, client.fingerprint) == (128, "rerank-api:tiny")
    assert client.rerank(QUESTION, ["", DOCUMENTS[0]])[0] == 0


def test_key_of_another_server_is_not_that_of_jina(url: str, settings: Settings) -> None:
    settings.JINA_API_KEY = "jina_must_not_leave"
    with pytest.raises(EncoderUnavailable, match="check REMOTE_API_KEY") as caught:
        ours(url, api_key="").rerank(QUESTION, DOCUMENTS)
    assert "must_not_leave" not in str(caught.value)
    settings.REMOTE_API_KEY = KEY
    assert len(ours(url, api_key="").rerank(QUESTION, DOCUMENTS)) == 3


@pytest.mark.parametrize("options", [{"window": 0}, {"url": "https://api.jina.ai/v1"}])
def test_unknown_model_needs_an_url_and_a_window(url: str, options: dict[str, Any]) -> None:
    with pytest.raises(CheckpointInvalid, match="needs the options url and window"):
        ours(url, **options)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"documents": []}, "documents"),
        ({"top_n": 0}, "top_n"),
        ({"truncation": True}, "truncation"),
        ({"max_doc_length": 100}, "max_doc_length"),
        ({"query": None}, "query"),
    ],
)
def test_bad_fields_of_a_rerank_request_are_named(
    url: str, body: dict[str, Any], complaint: str
) -> None:
    request = {"model": "tiny", "query": QUESTION, "documents": DOCUMENTS, **body}
    headers = {"Authorization": f"Bearer {KEY}"}
    answer = httpx.post(f"{url}/v1/rerank", json=request, headers=headers)
    assert answer.status_code == 422
    assert complaint in answer.json()["detail"]
