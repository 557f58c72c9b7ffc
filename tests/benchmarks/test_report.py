"""Rankings from chunks, and what is printed of them."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from benchmarks.retrieval.ranking import best_chunk_ranking
from benchmarks.retrieval.report import SystemReport, as_json, as_table, percentile


def report(system: str, ndcg: float, **given: object) -> SystemReport:
    measures = {"ndcg@10": ndcg, "recall@5": 1.0, "hit@1": 0.5, "mrr@10": 0.75}
    values: dict[str, object] = {
        "system": system, "dataset": "tiny", "measures": measures, "queries": 3,
        "p50_ms": 4.0, "p95_ms": 9.25, "embed_seconds": 1.5, "chunks": 1234,
    }  # fmt: skip
    return SystemReport(**(values | given))  # type: ignore[arg-type]  # given by name


def test_an_article_counts_by_its_best_chunk() -> None:
    chunks = [("a", 0.5), ("b", 0.9), ("a", 0.95), ("c", 0.1), ("b", 0.2)]
    assert best_chunk_ranking(chunks) == ["a", "b", "c"]


def test_ties_keep_the_order_they_were_found_in() -> None:
    assert best_chunk_ranking([("b", 0.5), ("a", 0.5), ("b", 0.5)]) == ["b", "a"]


def test_negative_scores_are_scores() -> None:
    assert best_chunk_ranking([("a", -0.5), ("b", -0.1)]) == ["b", "a"]
    assert best_chunk_ranking([]) == []


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([3.0], 95, 3.0), ([1.0, 2.0, 3.0], 50, 2.0), (list(range(101)), 95, 95.0)],
)
def test_percentile(values: list[float], percent: int, expected: float) -> None:
    assert percentile(values, percent) == expected


def test_json_has_measures_at_the_top_level() -> None:
    [row] = json.loads(as_json([report("haystack", 0.8, versions={"haystack-ai": "3"})]))
    assert row["dataset"] == "tiny"
    assert row["system"] == "haystack"
    assert row["ndcg@10"] == 0.8
    assert row["p95_ms"] == 9.25
    assert row["versions"] == {"haystack-ai": "3"}


def test_table_shows_every_system_and_marks_the_best() -> None:
    console = Console(width=120, color_system="standard", force_terminal=True)
    with console.capture() as printed:
        console.print(as_table([report("unabridged", 0.9), report("haystack", 0.8)]))
    shown = printed.get()
    assert "\x1b[1m0.9000\x1b[0m" in shown
    assert "0.8000" in shown
    assert "\x1b[1m0.8000" not in shown
    assert "1,234" in shown
