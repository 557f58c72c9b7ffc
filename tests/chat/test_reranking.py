"""The reranking step: another order for good reasons, the fused order for all bad ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings
from rest_framework.test import APIClient

from chat.models import RetrievalProfile, Trace
from chat.retrieval.pipeline import retrieve
from chat.retrieval.results import Retrieval
from chat.retrieval.settings import PipelineSettings, load_profile, parse_settings
from chat.services.profiles import save_profile
from chat.services.retrievals import retrieve_for
from embeddings.errors import EncoderUnavailable, TextTooLong
from embeddings.models import TokenSpend
from embeddings.rerankers.cross_encoder import CrossEncoderReranker
from embeddings.rerankers.registry import UnknownReranker, forget_rerankers
from kb.access import caller_for_system
from kb.errors import InvalidInput
from kb.models import Workspace
from kb.services import unpublish_article
from tests.chat.conftest import Publish
from tests.checkpoints.bge_m3 import write_cross_encoder
from tests.standins.jina_server import KEY, JinaServer
from tests.standins.server import status

QUESTION = "how long does a refund take"


class Liking:
    """Scores 1 for documents with a word, else 0.1; does what a test tells it before."""

    fingerprint = "liking@1"
    before: Callable[[Sequence[str]], None] | None = None

    def __init__(self, *, word: str = "zebra", window: int = 10_000) -> None:
        self._word, self.window = word, window

    def rerank(self, question: str, documents: Sequence[str]) -> list[float]:
        """By the word."""
        if Liking.before:
            Liking.before(documents)
        sizes = [self.count_tokens(question, [document]) for document in documents]
        if any(size > self.window for size in sizes):
            raise TextTooLong("Too long.")
        return [1.0 if self._word in document else 0.1 for document in documents]

    def count_tokens(self, question: str, documents: Sequence[str]) -> int:
        """Words."""
        return sum(len(question.split()) + len(each.split()) for each in documents)


@pytest.fixture(autouse=True)
def rerankers(settings: Settings) -> Iterator[None]:
    """Named ones of the tests."""
    liking = f"{__name__}.Liking"
    settings.RERANKERS = {
        "liking": {"BACKEND": liking},
        "narrow": {"BACKEND": liking, "OPTIONS": {"window": 30}},
        "blind": {"BACKEND": liking, "OPTIONS": {"window": 3}},
        "broken": {"BACKEND": liking, "OPTIONS": {"word": None}},
    }
    forget_rerankers()
    yield
    Liking.before = None
    forget_rerankers()


@pytest.fixture
def articles(publish: Publish) -> None:
    """Three, the one with the zebra last by every leg."""
    publish(title="Refunds", body="How long does a refund take? A refund takes five days.")
    publish(title="Returns", body="A refund of returns may take long, how long depends.")
    publish(title="Zoo", body="The zebra is refund policy's mascot.")


def found(workspace: Workspace, **settings: Any) -> Retrieval:
    return retrieve(
        QUESTION,
        workspace=workspace,
        profile=PipelineSettings(**{"reranker": "liking", **settings}),
    )


def titles(retrieval: Retrieval) -> list[str]:
    return [hit.source.title for hit in retrieval.hits]


FUSED = ["Refunds", "Returns", "Zoo"]
pytestmark = pytest.mark.usefixtures("articles")


def test_no_reranker_is_the_default_and_costs_nothing(workspace: Workspace) -> None:
    plain = retrieve(QUESTION, workspace=workspace)
    assert titles(plain) == FUSED
    assert plain.reranking is None
    assert all(each.rerank is None for each in plain.fused)


def test_score_is_added_by_its_weight(workspace: Workspace) -> None:
    plain = {each.article_id: each.score for each in found(workspace, reranker="").fused}
    heavy = found(workspace, rerank_weight=5)
    assert titles(heavy) == ["Zoo", "Refunds", "Returns"]
    for each in heavy.fused:
        assert each.rerank is not None
        assert each.score == pytest.approx(plain[each.article_id] + 5 * each.rerank)
    light = found(workspace, rerank_weight=0.01)
    assert titles(light) == FUSED
    assert heavy.context[0].source.title == "Zoo"


def test_only_the_first_candidates_are_read_and_the_rest_stay_behind(workspace: Workspace) -> None:
    read: list[str] = []
    Liking.before = read.extend
    cut = found(workspace, rerank_candidates=2, rerank_weight=10)
    assert titles(cut) == FUSED
    assert [text.partition("\n")[0] for text in read] == ["Refunds", "Returns"]
    assert [each.rerank for each in cut.fused] == [0.1, 0.1, None]
    assert cut.reranking
    assert cut.reranking.articles == 2
    scores = [each.score for each in cut.fused]
    assert scores == sorted(scores, reverse=True)


def test_article_not_embedded_yet_is_read_by_its_words(
    workspace: Workspace, publish: Publish
) -> None:
    publish(title="New", body="A refund for the new zebra.", embedded=False)
    assert set(titles(found(workspace, rerank_weight=5))[:2]) == {"New", "Zoo"}


def test_text_over_the_window_is_read_in_parts_not_cut(
    workspace: Workspace, publish: Publish
) -> None:
    publish(title="Long", body=f"A refund. {'Other words here. ' * 15} The striped zebra.")
    assert titles(found(workspace, reranker="narrow", rerank_weight=5))[:2] == ["Zoo", "Long"]


def explode(_: Sequence[str]) -> None:
    raise EncoderUnavailable("The reranker is away.")


def crash(_: Sequence[str]) -> None:
    raise RuntimeError("a secret of the code")


def dawdle(_: Sequence[str]) -> None:
    time.sleep(0.5)


@pytest.mark.parametrize(
    ("before", "given", "why"),
    [
        (explode, {}, "The reranker is away."),
        (crash, {}, "RuntimeError"),
        (dawdle, {"rerank_seconds": 0.05}, "no answer in 0.05 s"),
        (None, {"reranker": "gone"}, "No reranker is called 'gone'"),
        (None, {"reranker": "blind"}, "Too long."),
        (None, {"reranker": "broken"}, "TypeError"),
    ],
)
def test_whatever_happens_to_it_the_fused_order_stays_and_the_trace_says_why(
    workspace: Workspace, before: Any, given: dict[str, Any], why: str
) -> None:
    Liking.before = before
    failed = found(workspace, **given)
    assert titles(failed) == FUSED
    assert failed.reranking
    assert failed.reranking.skipped.startswith(why)
    assert all(each.rerank is None for each in failed.fused)
    assert titles(found(workspace, reranker="")) == FUSED


def test_scores_out_of_their_range_are_not_believed(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for scores in ([float("nan")] * 3, [2.0] * 3, [0.5]):
        monkeypatch.setattr(Liking, "rerank", lambda *_, made=scores: made)
        assert titles(found(workspace)) == FUSED


def test_trace_and_hits_show_the_reranker(workspace: Workspace, api: APIClient) -> None:
    save_profile(
        caller_for_system(workspace),
        name="second",
        settings={"reranker": "liking", "rerank_weight": 5},
        is_default=True,
    )
    body = api.post("/api/v1/retrieve", {"question": QUESTION}).json()
    assert [hit["rerank"] for hit in body["hits"]] == [1.0, 0.1, 0.1]
    detail = Trace.objects.get(pk=body["trace_id"]).detail
    assert detail["reranking"] == {
        "reranker": "liking", "fingerprint": "liking@1", "articles": 3, "skipped": "",
    }  # fmt: skip
    assert [each["rerank"] for each in detail["fused"]] == [1.0, 0.1, 0.1]
    assert detail["timings"]["rerank"] > 0


def test_it_costs_the_same_queries_at_three_and_at_ten_articles(
    workspace: Workspace, publish: Publish
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            found(workspace)
        return len(captured)

    queries()
    three = queries()
    for number in range(7):
        publish(title=f"Refund {number}", body=f"A refund, {number} times.")
    assert queries() == three


def test_unpublished_article_is_not_read(workspace: Workspace, publish: Publish) -> None:
    gone = publish(title="Gone", body="A refund by the zebra.")
    read: list[str] = []
    Liking.before = read.extend
    unpublish_article(gone)
    assert "Gone" not in titles(found(workspace, rerank_weight=5))
    assert read
    assert not any("Gone" in text for text in read)


def test_cross_encoder_of_this_process(
    workspace: Workspace, settings: Settings, tmp_path: Path
) -> None:
    write_cross_encoder(tmp_path, kind="bert")
    settings.RERANKERS = {
        "tiny": {
            "BACKEND": "embeddings.rerankers.cross_encoder.CrossEncoderReranker",
            "OPTIONS": {"checkpoint": str(tmp_path)},
        }
    }
    done = found(workspace, reranker="tiny", rerank_weight=10, rerank_seconds=30)
    assert done.reranking
    assert (done.reranking.articles, done.reranking.skipped) == (3, "")
    texts = [f"{hit.source.title}\n{hit.source.body}" for hit in done.hits]
    expected = CrossEncoderReranker(checkpoint=str(tmp_path)).rerank(QUESTION, texts)
    assert [hit.fused.rerank for hit in done.hits] == pytest.approx(expected, abs=1e-5)
    assert len(set(expected)) == 3


def test_jina_api_and_what_it_costs(workspace: Workspace, settings: Settings) -> None:
    settings.JINA_API_KEY = KEY
    with JinaServer() as server:
        settings.RERANKERS = {
            "jina-api": {
                "BACKEND": "embeddings.rerankers.jina_api.JinaApiReranker",
                "OPTIONS": {"url": server.url},
            }
        }
        done, _ = retrieve_for(caller_with(workspace, "jina-api"), question=QUESTION)
        assert done.reranking
        assert done.reranking.skipped == ""
        assert max(each.rerank or 0 for each in done.fused) > 0.5
        [spend] = TokenSpend.objects.filter(workspace=workspace)
        assert (spend.encoder, spend.tokens) == ("jina-api", server.spent)
        server.always = status(402)
        failed = found(workspace, reranker="jina-api")
        assert failed.reranking
        assert "top it up" in failed.reranking.skipped
        assert titles(failed) == FUSED


def caller_with(workspace: Workspace, reranker: str) -> Any:
    caller = caller_for_system(workspace)
    save_profile(caller, name="it", settings={"reranker": reranker}, is_default=True)
    return caller


class TestProfiles:
    """What is saved can be used."""

    def test_reranker_must_be_configured(self, workspace: Workspace) -> None:
        caller = caller_for_system(workspace)
        with pytest.raises(UnknownReranker, match="configured are: blind, broken, liking"):
            save_profile(caller, name="x", settings={"reranker": "none such"})
        wrong: object
        for wrong in ({"reranker": 5}, {"rerank_candidates": 0}, {"rerank_weight": -1}, []):
            with pytest.raises(InvalidInput):
                save_profile(caller, name="x", settings=wrong)
        assert not RetrievalProfile.objects.exists()

    def test_new_default_takes_the_place_of_the_old(self, workspace: Workspace) -> None:
        caller = caller_for_system(workspace)
        save_profile(caller, name="a", settings={}, is_default=True)
        save_profile(caller, name="b", settings={"curated_above": 0.9}, is_default=True)
        assert load_profile(workspace).name == "b"
        save_profile(caller, name="a", settings={"articles": 3}, is_default=True)
        assert load_profile(workspace).articles == 3
        assert RetrievalProfile.objects.count() == 2

    def test_weight_of_a_reranker_is_no_leg(self) -> None:
        legs = ("passage_weight", "passage_words_weight", "article_weight", "article_words_weight")
        with pytest.raises(InvalidInput, match="leg"):
            parse_settings("x", {**dict.fromkeys(legs, 0), "rerank_weight": 1})
