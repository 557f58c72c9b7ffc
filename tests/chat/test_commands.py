"""`ask` and `evaluate_retrieval` as people and scripts run them."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from chat.models import Trace
from embeddings.models import IndexEntry
from kb.models import Article, Workspace
from tests.chat.conftest import Publish, answer_always, threshold
from tests.chat.test_dataset import write_dataset
from tests.factories import live

pytestmark = pytest.mark.django_db

KEYS = {
    "ndcg@10", "recall@5", "hit@1", "mrr@10", "articles", "queries", "tokens", "embed_seconds",
    "p50_ms", "p95_ms",
}  # fmt: skip


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def evaluated(folder: Path, *arguments: str) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(
        run("evaluate_retrieval", "--dataset", str(folder), "--json", *arguments)
    )
    return figures


def scratch() -> Workspace:
    return Workspace.objects.get(slug__startswith="eval-")


def test_ask_prints_json(workspace: Workspace, publish: Publish) -> None:
    answer_always(workspace)
    article = publish(title="Refunds", body="A refund takes fünf days 😀.", external_id="refunds")
    answer = json.loads(
        run("ask", "how long does a refund take", "--workspace", workspace.slug, "--json")
    )
    assert {"answer", "citations", "abstained", "confidence", "trace_id"} <= answer.keys()
    assert answer["abstained"] is False
    [citation] = answer["citations"]
    assert citation["article_id"] == article.pk
    assert citation["external_id"] == "refunds"
    assert citation["title"] == "Refunds"
    body = "A refund takes fünf days 😀."
    assert citation["quote"] == body[citation["start"] : citation["end"]] == body
    assert Trace.objects.get(pk=answer["trace_id"]).question == "how long does a refund take"


def test_ask_prints_for_people(workspace: Workspace, publish: Publish) -> None:
    answer_always(workspace)
    publish(title="Refunds", body="A refund takes five days.", external_id="refunds")
    told = run("ask", "how long does a refund take", "--workspace", workspace.slug)
    assert "A refund takes five days. [1]" in told
    assert "[1] Refunds (refunds, 0-25)" in told
    threshold(workspace, 1.0)
    told = run("ask", "how long does a refund take", "--workspace", workspace.slug)
    assert "abstained" in told
    assert "Refunds" not in told


def test_ask_sees_internal_articles_only_when_told(workspace: Workspace, publish: Publish) -> None:
    answer_always(workspace)
    publish(title="Playbook", body="The goodwill limit is fifty.", audience="internal")
    command = ("ask", "goodwill limit", "--workspace", workspace.slug)
    assert "fifty" not in run(*command)
    assert "fifty" in run(*command, "--internal")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("refund?", "--workspace", "nowhere"), "no workspace is called 'nowhere'"),
        (("", "--workspace", "{here}"), "The question is empty"),
        (("x" * 4001, "--workspace", "{here}"), "4,001 characters"),
        (("refund?", "--workspace", "{here}", "--profile", "nope"), "'nope'"),
    ],
)
def test_ask_refuses_in_one_line(
    workspace: Workspace, arguments: tuple[str, ...], told: str
) -> None:
    with pytest.raises(CommandError, match=told) as refused:
        run("ask", *(argument.format(here=workspace.slug) for argument in arguments))
    assert "\n" not in str(refused.value)


def test_evaluation_prints_the_promised_keys(tmp_path: Path) -> None:
    figures = evaluated(write_dataset(tmp_path))
    assert figures.keys() >= KEYS
    assert (figures["articles"], figures["queries"]) == (3, 2)
    assert figures["ndcg@10"] == figures["hit@1"] == 1.0
    assert figures["tokens"] == 13
    assert 0 < figures["p50_ms"] <= figures["p95_ms"]
    assert set(figures["legs"]) == {"passage", "passage_words", "article", "article_words"}
    assert figures["legs"]["article_words"]["ndcg@10"] == 1.0
    assert not Trace.objects.exists()


def test_evaluation_reuses_its_workspace_until_the_corpus_changes(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path)
    first = evaluated(folder)
    entries = set(IndexEntry.objects.values_list("pk", "embedded_at"))
    again = evaluated(folder)
    assert (first["reused"], again["reused"], again["embed_seconds"]) == (False, True, 0.0)
    assert first["workspace"] == again["workspace"] == scratch().slug
    assert set(IndexEntry.objects.values_list("pk", "embedded_at")) == entries
    with (folder / "corpus.jsonl").open("a") as file:
        file.write('{"_id": "new", "title": "N", "text": "T"}\n')
    assert evaluated(folder)["workspace"] != first["workspace"]


def test_evaluation_continues_what_was_interrupted(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path)
    evaluated(folder)
    Article.objects.in_workspace(scratch()).first().delete()  # type: ignore[union-attr]
    assert evaluated(folder)["articles"] == 3
    assert IndexEntry.objects.current().count() == 3


def test_articles_without_text_are_left_out_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_dataset(tmp_path)
    with (folder / "corpus.jsonl").open("a") as file:
        file.write('{"_id": "empty", "title": "E", "text": ""}\n')
    figures = evaluated(folder)
    assert (figures["articles"], figures["left_out"]) == (3, 1)
    told = capsys.readouterr().err
    assert "left out" in told
    assert "corpus.jsonl" in told


def test_evaluation_takes_another_encoder(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path)
    plain = evaluated(folder)["workspace"]
    wide = Workspace.objects.get(slug=evaluated(folder, "--encoder", "hash-wide")["workspace"])
    assert wide.slug != plain
    assert live(wide).encoder == "hash-wide"
    assert wide.index_versions.count() == 1


def test_evaluation_of_the_first_questions_only(tmp_path: Path) -> None:
    assert evaluated(write_dataset(tmp_path), "--limit", "1")["queries"] == 1


def test_evaluation_guesses_the_language_of_the_corpus(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path)
    german = {"_id": "refunds", "title": "Erstattungen", "text": "Das ist die Erstattung, die wir"}
    (folder / "corpus.jsonl").write_text(json.dumps(german) + "\n")
    (folder / "qrels.tsv").write_text("q1\trefunds\t1\n")
    evaluated(folder)
    assert scratch().default_language == "de"
    article = Article.objects.get(workspace=scratch())
    assert article.published_revision
    assert article.published_revision.language == "de"


def test_evaluation_prints_a_table(tmp_path: Path) -> None:
    told = run("evaluate_retrieval", "--dataset", str(write_dataset(tmp_path)))
    for word in ("passage_words", "fused", "ndcg@10", "3 articles", "2 questions", "p95"):
        assert word in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--encoder", "nope"), "nope"),
        (("--profile", "nope"), "nope"),
        (("--limit", "0"), "--limit"),
    ],
)
def test_evaluation_refuses_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    with pytest.raises(CommandError, match=told) as refused:
        evaluated(write_dataset(tmp_path), *arguments)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("corpus.jsonl", "{broken\n", "corpus.jsonl"),
        ("corpus.jsonl", '{"_id": "a", "text": "A"}\n{"_id": "a", "text": "B"}\n', "line 2: 'a'"),
        ("corpus.jsonl", '{"_id": "a", "title": "A"}\n', "corpus.jsonl, line 1"),
        ("corpus.jsonl", "\n", "corpus.jsonl: holds no article"),
        ("queries.jsonl", "{broken\n", "queries.jsonl, line 1"),
    ],
)
def test_bad_dataset_is_one_line_that_names_the_file(
    tmp_path: Path, name: str, content: str, told: str
) -> None:
    folder = write_dataset(tmp_path)
    (folder / name).write_text(content)
    with pytest.raises(CommandError, match=told) as refused:
        evaluated(folder)
    assert "\n" not in str(refused.value)
    assert not Article.objects.exists()


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"corpus\.jsonl: there is no such file"):
        evaluated(tmp_path / "nowhere")
