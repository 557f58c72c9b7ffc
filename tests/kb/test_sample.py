"""The sample knowledge base keeps what its README promises; offsets are exact."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from embeddings.encoders.registry import get_encoder
from kb.content import clean
from kb.importing import ImportItem, read_items

SAMPLE = Path(__file__).resolve().parents[2] / "kb" / "sample"


@cache
def articles() -> dict[str, ImportItem]:
    """The articles as the importer reads them."""
    items = [item for item in read_items(SAMPLE / "articles") if isinstance(item, ImportItem)]
    return {item.external_id: item for item in items}


@cache
def questions() -> list[dict[str, Any]]:
    """All lines of questions.jsonl."""
    lines = (SAMPLE / "questions.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def answerable() -> list[dict[str, Any]]:
    """Metadata of the questions that have an answer."""
    return [q["metadata"] for q in questions() if q["metadata"]["answerable"]]


def test_every_answer_stands_at_its_offsets() -> None:
    for answer in answerable():
        item = articles()[answer["article"]]
        body = clean(title=item.title, body=item.body).body
        assert body[answer["start"] : answer["end"]] == answer["answer"]


def test_there_are_enough_questions_of_each_kind() -> None:
    assert len(answerable()) >= 80
    assert len(questions()) - len(answerable()) >= 20
    assert sum(answer["language"] == "de" for answer in answerable()) >= 6
    assert len({question["_id"] for question in questions()}) == len(questions())


def test_articles_have_the_lengths_that_whole_embedding_needs() -> None:
    encoder = get_encoder("minilm")
    tokens = encoder.count_tokens([item.body for item in articles().values()])
    assert len(tokens) >= 24
    assert min(tokens) >= 300
    assert max(tokens) <= 9000
    assert sum(count > 8192 for count in tokens) == 1
    assert sum(3000 < count <= 8192 for count in tokens) == 2


def test_languages_audiences_and_pairs() -> None:
    items = articles().values()
    assert sum(item.language == "de" for item in items) == 2
    assert sum(item.audience == "internal" for item in items) == 2
    pairs = json.loads((SAMPLE / "pairs.json").read_text())
    contradicting = [pair["articles"] for pair in pairs["contradictions"]]
    assert (len(pairs["near_duplicates"]), len(contradicting)) == (3, 2)
    for pair in [*pairs["near_duplicates"], *contradicting]:
        assert set(pair) <= set(articles())


def test_judgements_name_public_articles_and_questions() -> None:
    with (SAMPLE / "qrels.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert {row["query-id"] for row in rows} <= {question["_id"] for question in questions()}
    for row in rows:
        assert articles()[row["corpus-id"]].audience != "internal"


@pytest.mark.parametrize("word", ["lorem", "TODO", "example.com/path"])
def test_no_filler(word: str) -> None:
    assert not any(word in item.body for item in articles().values())
