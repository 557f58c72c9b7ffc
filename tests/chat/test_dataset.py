"""Evaluation datasets: the BEIR layout read strictly, measures as TREC defines them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chat.errors import DatasetInvalid
from chat.evaluation.dataset import load_dataset
from chat.evaluation.metrics import measure


def write_dataset(folder: Path) -> Path:
    """Three articles, three questions, one of them without a judgement."""
    articles = [
        {"_id": "refunds", "title": "Refunds", "text": "A refund takes five days."},
        {"_id": "hours", "title": "Opening hours", "text": "We open at nine."},
        {"_id": "zeppelin", "title": "", "text": "The zeppelin departs hourly."},
    ]
    queries = [
        {"_id": "q1", "text": "how long does a refund take"},
        {"_id": "q2", "text": "when does the zeppelin depart"},
        {"_id": "q3", "text": "judged by nobody"},
    ]
    folder.mkdir(exist_ok=True)
    for name, rows in (("corpus", articles), ("queries", queries)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines)
    (folder / "qrels.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq1\trefunds\t1\nq1\thours\t0\nq2\tzeppelin\t2\n"
    )
    return folder


def test_questions_with_judgements_are_read(tmp_path: Path) -> None:
    dataset = load_dataset(write_dataset(tmp_path))
    assert list(dataset.queries) == ["q1", "q2"]
    assert dataset.judgements == {"q1": {"refunds": 1}, "q2": {"zeppelin": 2}}


def test_judgements_may_lie_in_a_folder_or_elsewhere(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "set")
    (folder / "qrels").mkdir()
    (folder / "qrels.tsv").rename(folder / "qrels" / "test.tsv")
    assert len(load_dataset(folder).queries) == 2
    other = tmp_path / "other.tsv"
    other.write_text("q2\tzeppelin\t1\n")
    assert list(load_dataset(folder, judgements=other).queries) == ["q2"]
    asked = tmp_path / "asked.jsonl"
    asked.write_text('{"_id": "q2", "text": "another wording\\u2028here"}\n')
    assert load_dataset(folder, queries=asked).queries == {"q2": "another wording\u2028here"}


def test_digest_is_that_of_the_corpus(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path)
    before = load_dataset(folder).digest
    (folder / "qrels.tsv").write_text("q1\trefunds\t1\n")
    assert load_dataset(folder).digest == before
    with (folder / "corpus.jsonl").open("a") as file:
        file.write('{"_id": "new", "title": "N", "text": "T"}\n')
    assert load_dataset(folder).digest != before


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("corpus.jsonl", None, "corpus.jsonl: there is no such file"),
        ("queries.jsonl", None, "queries.jsonl: there is no such file"),
        ("qrels.tsv", None, "qrels.tsv or .*test.tsv: there is no such file"),
        ("queries.jsonl", b'{"_id": "q1", "text": "a"}\n{broken\n', "queries.jsonl, line 2"),
        ("queries.jsonl", b'{"text": "a"}\n', "queries.jsonl, line 1"),
        ("queries.jsonl", b'{"_id": "q1", "text": 5}\n', "queries.jsonl, line 1"),
        ("queries.jsonl", b'["q1"]\n', "queries.jsonl, line 1"),
        ("queries.jsonl", b"\xff\xfe", "queries.jsonl: cannot be read as UTF-8"),
        ("qrels.tsv", b"q\tc\tscore\nq1\trefunds\n", "qrels.tsv, line 2"),
        ("qrels.tsv", b"q1\trefunds\t1\nq1 refunds 1\n", "qrels.tsv, line 2"),
        ("qrels.tsv", b"q1\trefunds\t0\n", "qrels.tsv: it judges none"),
        ("qrels.tsv", b"", "qrels.tsv: it judges none"),
    ],
)
def test_bad_folders_are_refused_with_file_and_line(
    tmp_path: Path, name: str, content: bytes | None, told: str
) -> None:
    folder = write_dataset(tmp_path)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(DatasetInvalid, match=told):
        load_dataset(folder)


def test_measures() -> None:
    judged = {"a": {"x": 1}, "b": {"x": 1, "y": 1}, "c": {"z": 1}}
    found = measure({"a": ["x", "y"], "b": ["n", "x"], "c": ["n"]}, judged)
    assert found["hit@1"] == pytest.approx(1 / 3, abs=1e-4)
    assert found["recall@5"] == pytest.approx((1 + 0.5 + 0) / 3, abs=1e-4)
    assert found["mrr@10"] == pytest.approx((1 + 0.5 + 0) / 3, abs=1e-4)
    second_of_two = (1 / 1.58496) / (1 + 1 / 1.58496)
    assert found["ndcg@10"] == pytest.approx((1 + second_of_two) / 3, abs=1e-4)


def test_question_without_a_ranking_counts_as_nothing_found() -> None:
    found = measure({"a": ["x"], "b": []}, {"a": {"x": 1}, "b": {"y": 1}})
    assert found["ndcg@10"] == found["hit@1"] == 0.5
