"""`evaluate_retrieval` beyond the plain table: conversations, answers, comparisons, own sets."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models.signals import post_save

from chat.evaluation.continuing import continue_run
from chat.evaluation.turns import HistoryMode, parse_turns, split_question
from chat.models import EvaluationRun, QuestionSet, RetrievalProfile, RunState, Trace
from chat.retrieval.conversation import Turn
from chat.services.question_imports import import_questions
from chat.services.question_sets import create_question_set
from kb.errors import InvalidInput
from kb.models import Article, Workspace
from tests.chat.conftest import Publish
from tests.chat.test_dataset import write_dataset

pytestmark = pytest.mark.django_db

TALK = "user: hello\nagent: hi, ask away\nwhat is it?\nuser: how long does a refund take"


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("evaluate_retrieval", *arguments, stdout=out)
    return out.getvalue()


def evaluated(*arguments: str) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(run("--json", *arguments))
    return figures


def rewrite(folder: Path, name: str, *rows: dict[str, Any]) -> None:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def work_on(instance: EvaluationRun, created: bool, **_: object) -> None:
    """A worker to which the sweep named the run at the moment it appeared."""
    if created:
        continue_run(instance.pk, seconds=60)


def test_no_worker_takes_a_run_from_the_command_that_opened_it(folder: Path) -> None:
    post_save.connect(work_on, sender=EvaluationRun)
    try:
        figures = evaluated("--dataset", str(folder))
    finally:
        post_save.disconnect(work_on, sender=EvaluationRun)
    run = EvaluationRun.objects.get(pk=figures["run"])
    assert (run.state, run.error) == (RunState.DONE, "")
    assert run.lease is None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "support")


@pytest.fixture
def question_set(workspace: Workspace, publish: Publish) -> QuestionSet:
    publish(title="Refunds", body="A refund takes five days.", external_id="refunds")
    publish(title="Hours", body="We open at nine.")
    made = create_question_set(workspace, name="Support")
    rows = (
        {"_id": "a", "text": "how long does a refund take",
         "metadata": {"article": "refunds", "quote": "five days"}},
        {"_id": "b", "text": "is there life on Mars", "metadata": {"answerable": False}},
    )  # fmt: skip
    data = "".join(json.dumps(row) + "\n" for row in rows)
    import_questions(made, name="q.jsonl", data=data.encode())
    return made


def test_turns_are_told_apart() -> None:
    turns = parse_turns(TALK)
    assert turns[1] == Turn(role="assistant", text="hi, ask away\nwhat is it?")
    question = "how long does a refund take"
    assert split_question(TALK, HistoryMode.ALL) == (question, tuple(turns[:2]))
    assert split_question(TALK, HistoryMode.USER) == (question, (turns[0],))
    assert split_question(TALK, HistoryMode.LAST) == (question, ())
    assert split_question(f"{TALK}\nagent: five days", HistoryMode.LAST) == (question, ())
    assert split_question("plain", HistoryMode.ALL) == ("plain", ())
    with pytest.raises(InvalidInput, match="no visitor"):
        split_question("agent: hi", HistoryMode.ALL)
    with pytest.raises(InvalidInput, match="begins with"):
        parse_turns("hello\nuser: hi")


@pytest.mark.parametrize("mode", [mode.value for mode in HistoryMode])
def test_conversations_are_asked_by_their_last_turn(folder: Path, mode: str) -> None:
    rewrite(folder, "talks.jsonl", {"_id": "q1", "text": TALK})
    figures = evaluated(
        "--dataset", str(folder), "--queries", str(folder / "talks.jsonl"), "--history", mode
    )
    assert figures["queries"] == 1
    kept = EvaluationRun.objects.get()
    assert kept.options["history"] == mode
    assert kept.outcomes.get().text == "how long does a refund take"


def test_runs_of_datasets_are_kept(folder: Path) -> None:
    figures = evaluated("--dataset", str(folder), "--limit", "1")
    kept = EvaluationRun.objects.get(pk=figures["run"])
    assert (kept.state, kept.dataset, kept.question_set) == (RunState.DONE, "support", None)
    assert (kept.workspace.slug, kept.options["limit"]) == (figures["workspace"], 1)
    assert kept.measures["ndcg@10"] == figures["ndcg@10"]
    assert not Trace.objects.exists()


def test_answers_are_judged_where_the_labels_say(folder: Path) -> None:
    rewrite(
        folder,
        "queries.jsonl",
        {"_id": "q1", "text": "how long does a refund take",
         "metadata": {"answer_char": 9, "answer": "takes five days"}},
        {"_id": "q2", "text": "when does the zeppelin depart", "metadata": {}},
        {"_id": "q9", "text": "life on Mars", "metadata": {"answerable": False}},
    )  # fmt: skip
    figures = evaluated("--dataset", str(folder), "--answers")
    assert (figures["queries"], figures["span_recall"]) == (2, 1.0)
    assert figures["abstention"]["answerable"] == 2
    assert figures["abstention"]["unanswerable"] == 1
    outcomes = EvaluationRun.objects.get().outcomes
    assert outcomes.get(key="q1").right is True
    assert outcomes.get(key="q9").right is False
    assert "abstention" not in evaluated("--dataset", str(folder))
    told = run("--dataset", str(folder), "--answers")
    for words in ("at most 5 %", "AUROC", "the labelled passage"):
        assert words in told


def test_half_of_the_answers_can_be_hidden(folder: Path) -> None:
    rows = [{"_id": f"q{n}", "text": f"refund {n}"} for n in range(16)]
    rewrite(folder, "queries.jsonl", *rows)
    (folder / "qrels.tsv").write_text("".join(f"q{n}\trefunds\t1\n" for n in range(16)))
    figures = evaluated("--dataset", str(folder), "--hide-half")
    abstention = figures["abstention"]
    assert abstention["answerable"] == figures["queries"]
    assert 0 < abstention["unanswerable"] == 16 - figures["queries"]
    assert 0 <= abstention["auroc"] <= 1
    assert Article.objects.published().count() == 3
    again = evaluated("--dataset", str(folder), "--hide-half")["abstention"]
    assert again["auroc"] == abstention["auroc"]


def test_documents_and_their_questions_without_judgements(tmp_path: Path) -> None:
    documents = tmp_path / "help" / "articles"
    documents.mkdir(parents=True)
    text = "A refund takes five days."
    (documents / "refunds.md").write_text(f"---\nid: refunds\n---\n# Refunds\n\n{text}\n")
    also = [{"article": "refunds", "answer": "A refund"}]
    metadata = {"article": "refunds", "answer": "takes five days", "also": also}
    rewrite(
        tmp_path / "help",
        "questions.jsonl",
        {"_id": "a", "text": "how long does a refund take", "metadata": metadata},
        {"_id": "b", "text": "life on Mars", "metadata": {"answerable": False}},
    )
    figures = evaluated("--dataset", str(tmp_path / "help"), "--answers")
    assert (figures["articles"], figures["queries"], figures["ndcg@10"]) == (1, 1, 1.0)
    assert figures["span_recall"] == 1.0
    before = figures["workspace"]
    (documents / "refunds.md").write_text("# Refunds\n\nNone.\n")
    assert evaluated("--dataset", str(tmp_path / "help"))["workspace"] != before


def test_two_encoders_are_compared(folder: Path) -> None:
    figures = evaluated("--dataset", str(folder), "--compare", "encoder=hash-wide")
    other = figures["compare"]
    assert (figures["encoder"], other["encoder"]) == ("hash", "hash-wide")
    assert other["workspace"] != figures["workspace"]
    assert other["shared"] == 2
    assert other["differences"]["ndcg@10"]["low"] <= other["differences"]["ndcg@10"]["high"]


def test_two_strategies_are_compared(folder: Path) -> None:
    other = evaluated("--dataset", str(folder), "--compare", "strategy=chunks")["compare"]
    assert other["encoder"] == "hash@chunks"
    told = run("--dataset", str(folder), "--compare", "strategy=chunks")
    for words in ("strategy=chunks minus first", "95 % interval", "questions got better"):
        assert words in told


def test_two_profiles_of_a_workspace_are_compared(question_set: QuestionSet) -> None:
    workspace = question_set.workspace
    settings = {"passage_weight": 0, "passage_words_weight": 0, "article_words_weight": 0}
    RetrievalProfile.objects.create(workspace=workspace, name="dense", settings=settings)
    asked = ("--question-set", "support", "--workspace", workspace.slug)
    figures = evaluated(*asked, "--compare", "profile=dense", "--answers")
    assert (figures["profile"], figures["compare"]["profile"]) == ("default", "dense")
    assert (figures["queries"], figures["articles"]) == (1, 2)
    assert figures["abstention"]["unanswerable"] == 1
    assert set(figures["compare"]["differences"]) >= {"ndcg@10", "span_recall", "answered_right"}
    kept = EvaluationRun.objects.filter(question_set=question_set, state=RunState.DONE)
    assert set(kept.values_list("profile", flat=True)) == {"default", "dense"}


def test_a_dataset_may_use_the_profile_of_a_workspace(folder: Path, workspace: Workspace) -> None:
    RetrievalProfile.objects.create(workspace=workspace, name="narrow", settings={"articles": 3})
    asked = ("--dataset", str(folder), "--workspace", workspace.slug, "--profile", "narrow")
    assert evaluated(*asked)["profile"] == "narrow"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--compare", "colour=red"), "profile=NAME, encoder=NAME or strategy=NAME"),
        (("--compare", "encoder=nope"), "nope"),
        (("--compare", "strategy=nope"), "Strategy 'nope'"),
        (("--compare", "profile=nope"), "'nope'"),
        (("--workspace", "nope"), "no workspace is called 'nope'"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    folder: Path, arguments: tuple[str, ...], told: str
) -> None:
    with pytest.raises(CommandError, match=told) as refused:
        evaluated("--dataset", str(folder), *arguments)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--question-set", "support"), "needs --workspace"),
        (("--question-set", "nope", "--workspace", "{here}"), "no question set 'nope'"),
        (("--question-set", "support", "--workspace", "{here}", "--hide-half"), "for datasets"),
        (("--question-set", "support", "--workspace", "{here}", "--encoder", "hash-wide"),
         "no index version with the encoder 'hash-wide'"),
    ],
)  # fmt: skip
def test_own_questions_are_refused_in_one_line(
    question_set: QuestionSet, arguments: tuple[str, ...], told: str
) -> None:
    slug = question_set.workspace.slug
    with pytest.raises(CommandError, match=told):
        evaluated(*(argument.format(here=slug) for argument in arguments))


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({"answerable": "no"}, "queries.jsonl, line 1: metadata.answerable"),
        ({"answer_char": -1}, "line 1: answer_char"),
        ("text", "line 1: metadata must be"),
    ],
)
def test_broken_labels_name_their_line(folder: Path, metadata: object, told: str) -> None:
    rewrite(folder, "queries.jsonl", {"_id": "q1", "text": "x", "metadata": metadata})
    with pytest.raises(CommandError, match=told):
        evaluated("--dataset", str(folder))


def test_an_interrupted_run_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("chat.evaluation.run.ask", interrupt)
    with pytest.raises(KeyboardInterrupt):
        evaluated("--dataset", str(folder))
    kept = EvaluationRun.objects.get()
    assert (kept.state, kept.error) == (RunState.FAILED, "Interrupted.")


def test_a_confidence_is_fitted_to_one_half_and_judged_on_the_other(folder: Path) -> None:
    rows: list[dict[str, object]] = [
        {"_id": f"q{n}", "text": f"how long does refund {n} take"} for n in range(12)
    ]
    rows += [
        {"_id": f"u{n}", "text": f"life on planet {n}", "metadata": {"answerable": False}}
        for n in range(12)
    ]
    rewrite(folder, "queries.jsonl", *rows)
    (folder / "qrels.tsv").write_text(
        "query\tarticle\tscore\n" + "".join(f"q{n}\trefunds\t1\n" for n in range(12))
    )
    figures = evaluated("--dataset", str(folder), "--answers", "--fit-half")
    fitted = figures["fitted"]
    assert (fitted["label"], fitted["questions"]) == ("right", 24)
    assert fitted["halves"] > 0
    for kind in ("shipped", "fitted"):
        for name in ("auroc_answerable", "auroc_right", "calibration_error"):
            assert 0 <= fitted[kind][name] <= 1
        for point in ("at_5_percent_wrong", "carried"):
            assert {"answered", "declined", "wrong"} < set(fitted[kind][point])
    hidden = evaluated("--dataset", str(folder), "--hide-half", "--fit-half")["fitted"]
    assert hidden["label"] == "answerable"
    assert "fitted" not in evaluated("--dataset", str(folder), "--answers")
    told = run("--dataset", str(folder), "--answers", "--fit-half")
    for words in ("judged on the other half", "shipped", "at 5 % wrong: answered"):
        assert words in told
    few = run("--dataset", str(folder), "--answers", "--fit-half", "--limit", "1")
    assert "too few answers" in few


def test_fitting_needs_answers(folder: Path) -> None:
    with pytest.raises(CommandError, match="--answers or --hide-half"):
        evaluated("--dataset", str(folder), "--fit-half")
