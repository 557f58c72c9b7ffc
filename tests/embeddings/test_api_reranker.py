"""Jina's rerankers behind Jina's API."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from embeddings.encoders.metering import metered
from embeddings.errors import CheckpointInvalid, EncoderUnavailable, TextNotEmbeddable
from embeddings.rerankers.base import Reranker
from embeddings.rerankers.jina_api import JinaApiReranker
from tests.checkpoints.tokenizer_files import write_sentencepiece
from tests.standins.jina_server import KEY, JinaServer
from tests.standins.server import echo_key, edit, status

V2, V3 = "jina-reranker-v2-base-multilingual", "jina-reranker-v3"
DOCUMENTS = [
    "Connect the calendar in the settings.",
    "A refund is paid to the card within five days.",
    "",
    "The card is charged each month.",
]


@pytest.fixture(autouse=True)
def key(settings: Settings) -> None:
    settings.JINA_API_KEY = KEY


def reranker(server: JinaServer, model: str = V3, **options: Any) -> JinaApiReranker:
    return JinaApiReranker(model=model, url=server.url, **options)


@pytest.mark.parametrize("model", [V2, V3])
def test_scores_come_in_the_order_of_the_documents(server: JinaServer, model: str) -> None:
    ranker: Reranker = reranker(server, model)
    with metered() as meter:
        scores = ranker.rerank("refund to my card", DOCUMENTS)
    assert len(scores) == 4
    assert max(range(4), key=scores.__getitem__) == 1
    assert scores[2] == 0
    assert all(0 <= score <= 1 for score in scores)
    [body] = server.bodies()
    assert body["truncation"] is False
    assert ("max_doc_length" in body) == (model == V3)
    assert meter.tokens == server.spent > 0


def test_many_documents_take_several_requests(server: JinaServer) -> None:
    documents = [f"document number{n}" for n in range(150)]
    scores = reranker(server).rerank("number77", documents)
    assert sorted(len(body["documents"]) for body in server.bodies()) == [22, 64, 64]
    assert max(range(150), key=scores.__getitem__) == 77


def test_nothing_to_rank_asks_nobody(server: JinaServer) -> None:
    assert reranker(server).rerank("why", []) == []
    assert reranker(server).rerank("why", [" "]) == [0]
    with pytest.raises(TextNotEmbeddable, match="empty question"):
        reranker(server).rerank(" ", DOCUMENTS)
    assert server.requests == []


def test_what_is_too_long_is_refused_not_cut(server: JinaServer, tmp_path: Path) -> None:
    with pytest.raises(TextNotEmbeddable, match="rank its passages"):
        reranker(server, max_doc_length=50).rerank("why", ["because " * 50])
    write_sentencepiece(tmp_path)
    with pytest.raises(TextNotEmbeddable, match="rank its passages"):
        reranker(server, V2, tokenizer=str(tmp_path)).rerank("why", ["because " * 1000])
    assert server.requests == []
    server.window = 10
    with pytest.raises(TextNotEmbeddable, match="INPUT_TOKEN_LIMIT_EXCEEDED"):
        reranker(server, V2).rerank("why", ["because " * 20])


def _scores(change: Callable[[Any], Any]) -> Any:
    return edit(lambda body: {**body, "results": change(body["results"])})


@pytest.mark.parametrize(
    "mishap",
    [
        _scores(lambda results: results[1:]),
        _scores(lambda results: [results[0]] * len(results)),
        _scores(lambda results: [{**each, "relevance_score": float("nan")} for each in results]),
        _scores(lambda results: [{**each, "relevance_score": "high"} for each in results]),
        _scores(lambda results: [{**each, "relevance_score": 12.5} for each in results]),
        edit(lambda body: {**body, "model": V2}),
        edit(lambda _: None),
    ],
)
def test_nonsense_is_never_taken_for_scores(server: JinaServer, mishap: Any) -> None:
    server.always = mishap
    with pytest.raises(EncoderUnavailable, match="answered nonsense"):
        reranker(server).rerank("refund to my card", DOCUMENTS)


def test_failures_say_what_to_do_and_hide_the_key(server: JinaServer, settings: Settings) -> None:
    server.mishaps.append(status(503, Retry_After="0"))
    assert len(reranker(server).rerank("why", DOCUMENTS)) == 4
    server.always = echo_key
    with pytest.raises(EncoderUnavailable) as caught:
        reranker(server).rerank("why", DOCUMENTS)
    assert KEY not in str(caught.value)
    server.always = None
    settings.JINA_API_KEY = "jina_old"
    with pytest.raises(EncoderUnavailable, match="check JINA_API_KEY"):
        reranker(server).rerank("why", DOCUMENTS)


def test_options_and_fingerprints(server: JinaServer) -> None:
    assert reranker(server).fingerprint == f"jina-api:{V3}:8192"
    assert reranker(server, V2).fingerprint == f"jina-api:{V2}"
    assert reranker(server, V3).window == 131_072
    assert reranker(server, V3).count_tokens("why", ["one", "two"]) == 3
    assert reranker(server, V2).count_tokens("why", ["one", "two"]) == 4
    for options in ({"model": "jina-reranker-v9"}, {"max_doc_length": 0}, {"plan": "gold"}):
        with pytest.raises(CheckpointInvalid):
            JinaApiReranker(**options)
