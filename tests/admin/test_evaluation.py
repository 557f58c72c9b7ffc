"""Question sets and runs in the admin: filled, asked, read, compared; each for its tenant."""

from __future__ import annotations

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from chat.evaluation.continuing import continue_run
from chat.models import EvaluationRun, LabelledQuestion, QuestionSet, RunState
from chat.services.evaluations import start_run
from chat.services.question_imports import import_questions
from chat.services.question_sets import create_question_set
from embeddings.filling.loop import embed_pending
from kb.models import Workspace
from tests.admin.conftest import SignIn
from tests.factories import live, make_article

QUESTIONS = 12
BODY = "A refund takes five days."


def lines(count: int = QUESTIONS) -> bytes:
    """Answerable questions, and one that nothing answers."""
    metadata = {"article": "refunds", "answer": "five days", "start": 15, "end": 24}
    rows = [
        {"_id": f"q{n}", "text": f"how long <b>does refund {n}</b> take", "metadata": metadata}
        for n in range(count)
    ]
    rows.append({"_id": "mars", "text": "life on mars", "metadata": {"answerable": False}})
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def furnished(workspace: Workspace) -> QuestionSet:
    """An article and a set of questions about it."""
    make_article(
        workspace, title="Refunds", body="A refund takes five days.", external_id="refunds"
    )
    make_article(workspace, title="Hours", body="We open at nine, and how!")
    embed_pending(live(workspace))
    made = create_question_set(workspace, name="Support")
    import_questions(made, name="q.jsonl", data=lines())
    return made


def finished(question_set: QuestionSet) -> EvaluationRun:
    """A run with its figures."""
    run = start_run(question_set, answers=True)
    assert continue_run(run.pk, seconds=60)
    run.refresh_from_db()
    assert run.state == RunState.DONE, run.error
    return run


def at(name: str, *args: object) -> str:
    return reverse(f"admin:chat_{name}", args=args)


@pytest.fixture
def owner(workspace: Workspace, sign_in: SignIn) -> Client:
    return sign_in(workspace)


def told(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def test_a_set_is_made_filled_and_asked(workspace: Workspace, owner: Client) -> None:
    make_article(
        workspace, title="Refunds", body="A refund takes five days.", external_id="refunds"
    )
    form = {"workspace": workspace.pk, "name": "Support", "slug": "support", "description": ""}
    assert owner.post(at("questionset_add"), form).status_code == 302
    made = QuestionSet.objects.get()
    page = at("questionset_change", made.pk)
    assert "None yet" in told(owner, page)
    file = SimpleUploadedFile("q.jsonl", lines())
    owner.post(at("questionset_import", made.pk), {"import-file": file})
    by_hand = {
        "question-text": "when?", "question-article": "refunds", "question-quote": "five days",
    }  # fmt: skip
    owner.post(at("questionset_add_question", made.pk), by_hand)
    assert made.questions.count() == QUESTIONS + 2
    assert LabelledQuestion.objects.get(text="when?").expected.get().quote == "five days"
    html = told(owner, page)
    assert "&lt;b&gt;does refund" in html
    assert "nothing answers it" in html
    response = owner.post(at("questionset_run", made.pk), {"run-answers": "on"})
    run = EvaluationRun.objects.get()
    assert response["Location"] == at("evaluationrun_change", run.pk)
    assert (run.workspace, run.total) == (workspace, QUESTIONS + 2)


@pytest.mark.parametrize(
    ("action", "form", "message"),
    [
        ("import", {}, "file"),
        ("import", {"import-file": ("q.csv", b"question,article\na,nope\n")}, "no article"),
        ("import", {"import-file": ("q.pdf", b"x")}, ".jsonl or .csv"),
        ("add_question", {"question-text": ""}, "text"),
        ("add_question", {"question-text": "x", "question-article": "nope"}, "no such article"),
        ("run", {"run-profile": "nope"}, "profile"),
        ("run", {}, "no question"),
    ],
)
def test_what_is_refused_is_told_and_changes_nothing(
    workspace: Workspace, owner: Client, action: str, form: dict[str, object], message: str
) -> None:
    made = create_question_set(workspace, name="Support")
    given = {
        name: SimpleUploadedFile(*value) if isinstance(value, tuple) else value
        for name, value in form.items()
    }
    response = owner.post(at(f"questionset_{action}", made.pk), given, follow=True)
    assert message in response.content.decode()
    assert not LabelledQuestion.objects.exists()
    assert not EvaluationRun.objects.exists()


def test_a_name_that_is_taken_is_said_at_its_field(workspace: Workspace, owner: Client) -> None:
    create_question_set(workspace, name="Support")
    other = create_question_set(workspace, name="Other")
    for url in (at("questionset_add"), at("questionset_change", other.pk)):
        form = {"workspace": workspace.pk, "name": "Support", "slug": "support"}
        assert "of this name already" in owner.post(url, form).content.decode()


def test_a_run_is_followed_cancelled_and_read(workspace: Workspace, owner: Client) -> None:
    made = furnished(workspace)
    run = start_run(made)
    assert "0 of 12 questions asked" in told(owner, at("evaluationrun_change", run.pk))
    assert not continue_run(run.pk, seconds=0)
    status = owner.get(at("evaluationrun_status", run.pk)).json()
    assert (status["state"], status["settled"]) == ("running-8", False)
    assert "8 of 12 questions asked" in status["html"]
    assert owner.get(at("evaluationrun_cancel", run.pk)).status_code == 405
    owner.post(at("evaluationrun_cancel", run.pk))
    assert owner.get(at("evaluationrun_status", run.pk)).json()["settled"]
    assert "Cancelled</strong> after 8 of 12" in told(owner, at("evaluationrun_change", run.pk))
    again = owner.post(at("evaluationrun_cancel", run.pk), follow=True).content.decode()
    assert "over already" in again


def test_a_finished_run_shows_figures_plots_and_the_worst(
    workspace: Workspace, owner: Client
) -> None:
    run = finished(furnished(workspace))
    other = run.outcomes.exclude(measures={}).order_by("pk")[0]
    other.measures["fused"]["ndcg@10"], other.rank = 0.2, None
    other.save()
    html = told(owner, at("evaluationrun_change", run.pk))
    for words in (
        "All legs together", "Passage words", "AUROC of the confidence", "Risk and coverage",
        "Recall by depth, in figures", "nDCG@10 by language", "to 512",
        "Questions that fared worst", "not among the first ten", "no other finished run",
        "how long &lt;b&gt;does refund",
    ):  # fmt: skip
        assert words in html
    assert html.count('role="img"') == 2
    assert html.count("<polyline") >= 6
    listed = told(owner, at("evaluationrun_changelist"))
    assert "13 of 13" in listed


def test_two_runs_are_compared(workspace: Workspace, owner: Client) -> None:
    made = furnished(workspace)
    first, second = finished(made), finished(made)
    outcome = second.outcomes.get(key="q3")
    outcome.measures["fused"]["ndcg@10"], outcome.rank = 0.0, None
    outcome.save()
    assert f"Run {second.pk}:" in told(owner, at("evaluationrun_change", first.pk))
    html = told(owner, at("evaluationrun_compare", first.pk) + f"?with={second.pk}")
    for words in ("Got better: 0", "Got worse: 1", "no clear difference", "does refund 3"):
        assert words in html
    assert "does refund 4" not in html
    for wanted in ("", "x", "999999"):
        url = at("evaluationrun_compare", first.pk) + f"?with={wanted}"
        assert owner.get(url).status_code == 404


@pytest.mark.parametrize("role", ["owner", "reviewer", "operator", "analyst", "editor"])
def test_who_judges_answers(workspace: Workspace, sign_in: SignIn, role: str) -> None:
    made = create_question_set(workspace, name="Support")
    client, allowed = sign_in(workspace, role), role != "editor"
    assert (client.get(at("questionset_changelist")).status_code == 200) == allowed
    assert (client.get(at("evaluationrun_changelist")).status_code == 200) == allowed
    client.post(at("questionset_add_question", made.pk), {"question-text": "life on mars"})
    assert made.questions.exists() == allowed


def test_nothing_of_another_tenant_is_seen_or_changed(
    workspace: Workspace, foreign: Workspace, sign_in: SignIn
) -> None:
    made = furnished(foreign)
    theirs, mine = finished(made), finished(furnished(workspace))
    client = sign_in(workspace)
    assert client.get(at("evaluationrun_status", theirs.pk)).status_code == 404
    for action in ("import", "add_question", "run"):
        response = client.post(at(f"questionset_{action}", made.pk), {"question-text": "x"})
        assert response.status_code == 404
    assert client.post(at("evaluationrun_cancel", theirs.pk)).status_code == 404
    for one, other in ((mine, theirs), (theirs, mine)):
        url = at("evaluationrun_compare", one.pk) + f"?with={other.pk}"
        assert client.get(url).status_code == 404
    assert f"Run {theirs.pk}" not in told(client, at("evaluationrun_change", mine.pk))
    assert (EvaluationRun.objects.count(), made.questions.count()) == (2, QUESTIONS + 1)
    form = {"workspace": foreign.pk, "name": "Mine", "slug": "mine"}
    client.post(at("questionset_add"), form)
    assert QuestionSet.objects.count() == 2


def test_sets_and_runs_are_deleted_with_what_is_theirs(workspace: Workspace, owner: Client) -> None:
    run = finished(furnished(workspace))
    assert run.question_set
    owner.post(at("questionset_delete", run.question_set.pk), {"post": "yes"})
    assert EvaluationRun.objects.get().question_set is None
    assert not LabelledQuestion.objects.exists()
    assert not QuestionSet.objects.exists()
    assert told(owner, at("evaluationrun_change", run.pk))
    owner.post(at("evaluationrun_delete", run.pk), {"post": "yes"})
    assert not EvaluationRun.objects.exists()


def test_pages_cost_the_same_however_much_there_is(workspace: Workspace, owner: Client) -> None:
    made = furnished(workspace)
    run = finished(made)
    pages = [
        at("questionset_changelist"),
        at("labelledquestion_changelist"),
        at("evaluationrun_changelist"),
        at("evaluationrun_change", run.pk),
        at("questionset_change", made.pk),
    ]

    def queries() -> list[int]:
        counts = []
        for page in pages:
            told(owner, page)
            with CaptureQueriesContext(connection) as captured:
                told(owner, page)
            counts.append(len(captured))
        return counts

    before = queries()
    import_questions(made, name="q.jsonl", data=lines(40))
    for _ in range(3):
        finished(made)
        create_question_set(workspace, name=f"Set {QuestionSet.objects.count()}")
    assert queries() == before
