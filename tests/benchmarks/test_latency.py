"""The made-up workspace, the replay of statements, and the figures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection, transaction

from benchmarks.retrieval.filling import filled_workspace
from benchmarks.retrieval.framework import ROOT
from benchmarks.retrieval.latency import figures, lines, measure_latency
from benchmarks.retrieval.replay import NothingRecorded, Statement, recording, replay
from benchmarks.retrieval.synthetic import Writer, vocabulary
from chat.models import Trace
from chat.retrieval.pipeline import retrieve
from embeddings.waiting import progress
from kb.models import Article

PASSAGES = 12


def test_the_same_seed_writes_the_same_articles() -> None:
    first, second = (
        list(Writer(topics=3).articles(PASSAGES)),
        list(Writer(topics=3).articles(PASSAGES)),
    )
    assert first == second
    assert list(Writer(topics=3, seed=2).articles(PASSAGES)) != first
    assert sum(len(article.passages) for article in first) == PASSAGES
    assert len({article.title for article in first}) == len(first)


def test_texts_look_like_english() -> None:
    words = vocabulary()
    assert len(words) == len(set(words)) == 30_000
    assert {"the", "to", "you"} <= set(words[:20])
    [article] = Writer(topics=1).articles(5)
    counted = [len(passage.split()) for passage in article.passages]
    assert all(100 <= count < 160 for count in counted)
    assert article.body.count(" the ") > 10


def test_questions_differ() -> None:
    asked = Writer(topics=4).questions(50)
    assert len(set(asked)) == 50


@pytest.mark.django_db(transaction=True)
def test_the_workspace_is_filled_once_and_searchable() -> None:
    writer = Writer(topics=3)
    workspace = filled_workspace(writer, passages=PASSAGES)
    assert progress(workspace).finished
    assert Article.objects.in_workspace(workspace).published().count() == 3
    assert filled_workspace(Writer(topics=3), passages=PASSAGES) == workspace
    assert Article.objects.count() == 3
    [article] = list(Writer(topics=1).articles(1))
    found = retrieve(article.passages[0][:300], workspace=workspace)
    assert found.hits
    assert len(found.legs.passages) == PASSAGES


@pytest.mark.django_db(transaction=True)
def test_every_part_is_timed() -> None:
    found = measure_latency(passages=PASSAGES, questions=3)
    assert found["passages"] == PASSAGES
    for part in ("http", "service", "encoding", "legs_sql"):
        # The hash encoder may take less than what is left after rounding.
        assert 0 <= found[part]["p50_ms"] <= found[part]["p95_ms"]
    assert found["http"]["p50_ms"] > 0
    assert found["http"]["p50_ms"] > found["legs_sql"]["p50_ms"]
    assert found["laps_p95_ms"]["total"] > 0
    assert Trace.objects.count() == 3 + 3 + 3 + 1  # recorded, service, HTTP, and the warm-up


@pytest.mark.django_db(transaction=True)
def test_only_what_the_legs_send_is_recorded() -> None:
    workspace = filled_workspace(Writer(topics=1), passages=5)
    with recording() as statements:
        Article.objects.count()
        retrieve("how do I do this", workspace=workspace)
    texts = [statement.sql for statement in statements]
    assert any("embeddings_passagevector" in text for text in texts)
    assert not any("kb_workspace" in text or "retrievalprofile" in text for text in texts)
    replay(statements)


def test_nothing_to_replay_is_an_error() -> None:
    with pytest.raises(NothingRecorded, match="nothing to compare"), recording():
        pass


@pytest.mark.django_db(transaction=True)
def test_settings_of_a_transaction_end_with_it() -> None:
    block = object()
    inside = Statement(
        sql="SELECT set_config('work_mem', '77MB', true)", parameters=None, transaction=block
    )
    replay([inside, Statement(sql="SELECT 1", parameters=(), transaction=None)])
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SHOW work_mem")
        assert cursor.fetchone() != ("77MB",)


def test_figures_compare_the_whole_with_its_parts() -> None:
    spent = {"http": [30.0], "service": [24.0], "encoding": [8.0], "legs_sql": [12.0]}
    found = figures(spent)
    assert found["http_to_parts"] == 1.5
    assert found["service_to_parts"] == 1.2
    assert found["kept"]
    assert not figures(spent | {"http": [31.0]})["kept"]
    assert "1.5 (at most 1.5: kept)" in lines(found)


@pytest.mark.slow
@pytest.mark.processes
def test_the_command_prints_json_and_judges(tmp_path: Path) -> None:
    arguments = ["--passages", "10", "--questions", "2", "--data", str(tmp_path), "--json"]
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.retrieval", "latency", *arguments],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )
    found = json.loads(ran.stdout)
    assert found["questions"] == 2
    assert ran.returncode == (0 if found["kept"] else 1)
    assert (tmp_path / "postgres").is_dir()  # kept for the next run
