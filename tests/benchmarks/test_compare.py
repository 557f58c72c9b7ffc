"""The product's own side of the comparison, and the command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.retrieval.compare import OURS, compare, first
from benchmarks.retrieval.framework import DEFAULT_PYTHON, ROOT
from chat.evaluation.dataset import load_dataset
from tests.benchmarks.conftest import QUESTIONS


@pytest.mark.django_db
def test_ours_is_measured_like_the_others(folder: Path) -> None:
    [report] = compare(
        [folder], systems=[OURS], limit=None, python=DEFAULT_PYTHON, cache=None, window=None
    )
    assert (report.system, report.dataset) == (OURS, "tiny")
    assert report.queries == len(QUESTIONS)
    assert report.chunks >= 3
    assert report.measures["recall@5"] == 1.0
    assert 0 < report.p50_ms <= report.p95_ms


def test_limit_takes_the_first_questions_and_their_judgements(folder: Path) -> None:
    dataset = first(load_dataset(folder), 2)
    assert list(dataset.queries) == list(dataset.judgements) == ["q1", "q2"]
    assert len(first(dataset, None).queries) == 2


@pytest.mark.slow
@pytest.mark.processes
def test_the_command_prints_json(folder: Path) -> None:
    arguments = ["compare", str(folder), "--systems", OURS, "--limit", "2", "--json"]
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.retrieval", *arguments],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=240,
    )
    [row] = json.loads(ran.stdout)
    assert row["hit@1"] == 1.0
    assert row["queries"] == 2
