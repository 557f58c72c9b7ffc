"""What the frameworks' process does, with a framework that counts words."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.retrieval.compare import compare
from benchmarks.retrieval.exchange import PeerAnswer, PeerRequest
from benchmarks.retrieval.framework import REQUIREMENTS, ROOT, PeersMissing
from benchmarks.retrieval.peers.asking import WARM_UP, answer, read_articles
from benchmarks.retrieval.peers.base import PeerArticle
from benchmarks.retrieval.weights import DESCRIPTION, weights
from tests.benchmarks.conftest import QUESTIONS


class WordsPeer:
    """Each sentence is a chunk, and its score the share of the question's words in it."""

    packages = ("numpy",)

    def __init__(self, model: str) -> None:
        self.model = model
        self.built = False
        self.asked: list[str] = []
        self._chunks: list[tuple[str, str]] = []

    def build(self, articles: Sequence[PeerArticle]) -> None:
        self.built = True
        self._chunks = [(each.id, part) for each in articles for part in each.text.split(".")]

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "chunks.json").write_text(json.dumps(self._chunks))

    def load(self, folder: Path) -> None:
        self._chunks = [(a, text) for a, text in json.loads((folder / "chunks.json").read_text())]

    def count(self) -> int:
        return len(self._chunks)

    def search(self, question: str, *, chunks: int) -> list[tuple[str, float]]:
        self.asked.append(question)
        words = set(question.lower().split())
        scored = [(a, float(len(words & set(t.lower().split())))) for a, t in self._chunks]
        return sorted(scored, key=lambda each: -each[1])[:chunks]


@pytest.fixture
def request_of(folder: Path, tmp_path: Path) -> PeerRequest:
    model = tmp_path / "model"
    model.mkdir()
    (model / "weights").write_text("1")
    return PeerRequest(
        system="words",
        model=str(model),
        corpus=str(folder / "corpus.jsonl"),
        queries={key: text for key, (text, _) in QUESTIONS.items()},
        chunks=3,
    )


def test_every_question_is_ranked_and_timed(request_of: PeerRequest) -> None:
    peer = WordsPeer(request_of.model)
    found = answer(request_of, peer)
    assert {query: ranking[0] for query, ranking in found.rankings.items()} == {
        query: article for query, (_, article) in QUESTIONS.items()
    }
    assert all(len(set(ranking)) == len(ranking) <= 3 for ranking in found.rankings.values())
    assert len(found.milliseconds) == len(QUESTIONS)
    assert found.chunks == peer.count() > 3
    assert set(found.versions) == {"numpy"}
    assert peer.asked[0] == WARM_UP  # and is not timed


def test_the_cache_saves_embedding_and_remembers_what_it_took(
    request_of: PeerRequest, tmp_path: Path
) -> None:
    cached = replace(request_of, cache=str(tmp_path / "cache"))
    first, second = WordsPeer(cached.model), WordsPeer(cached.model)
    before, after = answer(cached, first), answer(cached, second)
    assert (first.built, second.built) == (True, False)
    assert before.embed_seconds == after.embed_seconds
    assert before.rankings == after.rankings


def test_other_weights_are_embedded_anew(request_of: PeerRequest, tmp_path: Path) -> None:
    cached = replace(request_of, cache=str(tmp_path / "cache"))
    answer(cached, WordsPeer(cached.model))
    Path(cached.model, "weights").write_text("2")
    other = WordsPeer(cached.model)
    answer(cached, other)
    assert other.built


def test_articles_carry_their_titles(folder: Path) -> None:
    first = next(read_articles(folder / "corpus.jsonl"))
    assert first.id == "refunds"
    assert first.text.startswith("Refunds\n\nA refund takes")


def test_requests_and_answers_survive_their_files(request_of: PeerRequest, tmp_path: Path) -> None:
    request_of.write(tmp_path / "request.json")
    assert PeerRequest.read(tmp_path / "request.json") == request_of
    told = answer(request_of, WordsPeer(request_of.model))
    told.write(tmp_path / "answer.json")
    assert PeerAnswer.read(tmp_path / "answer.json") == told


def test_missing_frameworks_say_how_to_install_them(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(PeersMissing, match="install-peers"):
        list(
            compare(
                [folder],
                systems=["unabridged", "haystack"],
                limit=None,
                python=tmp_path / "bin" / "python",
                cache=None,
                window=None,
            )
        )


def test_the_peers_side_imports_nothing_of_ours() -> None:
    files = [*Path(ROOT, "benchmarks/retrieval/peers").glob("*.py")]
    files += [ROOT / "benchmarks/retrieval" / name for name in ("exchange.py", "ranking.py")]
    ours = re.compile(r"^\s*(?:from|import) (?:django|config|chat|embeddings|kb)\b", re.MULTILINE)
    assert len(files) > 4
    assert [file.name for file in files if ours.search(file.read_text())] == []


def test_both_sides_pin_the_same_libraries_of_the_model() -> None:
    theirs, ours = _pins(REQUIREMENTS), _pins(ROOT / "requirements.txt")
    shared = ("torch", "transformers", "sentence-transformers", "tokenizers")
    assert {name: theirs[name] for name in shared} == {name: ours[name] for name in shared}
    assert {"llama-index-core", "haystack-ai"} <= set(theirs)


def _pins(file: Path) -> dict[str, str]:
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("==") for line in lines if "==" in line)


def test_the_peers_window_changes_nothing_but_the_window() -> None:
    with weights(None) as packaged, weights(512) as wider:
        assert json.loads((packaged / DESCRIPTION).read_text())["max_seq_length"] == 256
        assert json.loads((wider / DESCRIPTION).read_text())["max_seq_length"] == 512
        assert {each.name for each in wider.iterdir()} == {each.name for each in packaged.iterdir()}
        same = "model.safetensors"
        assert (wider / same).resolve() == (packaged / same).resolve()
