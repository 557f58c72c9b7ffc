"""Gate and shadow in the admin: the policy written, verdicts and differences read, by role."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from chat.answering.answer import answer_question
from chat.evaluation.gate import judge
from chat.evaluation.tasks import judge_version
from chat.models import EvaluationRun, GatePolicy, Judgement, ShadowComparison, Trace
from chat.services.question_sets import create_question_set
from chat.shadow.asking import ask_candidate
from embeddings.models import IndexVersion, Verdict
from embeddings.services.cutting_over import cut_over
from embeddings.services.shadowing import change_shadow_share
from kb.models import Workspace
from tests.admin.conftest import SignIn
from tests.chat.candidates import ANN, CANDIDATES, TOPICS, furnish, label, ready
from tests.factories import live


@pytest.fixture(autouse=True)
def encoders(hash_encoder: None, settings: Settings) -> None:
    settings.ENCODERS = CANDIDATES


def at(name: str, *args: object) -> str:
    return reverse(f"admin:chat_{name}", args=args)


def told(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def refused(workspace: Workspace) -> IndexVersion:
    """A version that was judged broken."""
    label(workspace, furnish(workspace))
    version = ready(workspace, "broken")
    judge_version(version.pk)
    return version


def compared(workspace: Workspace, encoder: str = "broken") -> IndexVersion:
    """A version that was asked some live questions."""
    furnish(workspace)
    version = change_shadow_share(ready(workspace, encoder), share=0.25)
    for topic in TOPICS[:3]:
        answered = answer_question(f"where is <b>the {topic} desk", workspace=workspace)
        assert ask_candidate(answered.trace, version)
    return version


def test_a_verdict_is_read_with_figures_and_questions(
    workspace: Workspace, sign_in: SignIn
) -> None:
    owner, version = sign_in(workspace), refused(workspace)
    html = told(owner, at("verdict", version.pk))
    verdict = Verdict.objects.get()
    first, second = verdict.runs
    for words in (
        "Refused", "beside version 1 (hash)", "its vectors look broken", "All legs together",
        "Passages by words", "95 % interval", "Questions that fared worse, worst first",
        verdict.worst[0]["text"], "Judge it again", "Margin of its vectors alone",
        f"Run {first}, version 1", f"Run {second}, version 2", "36 questions of Desk",
        f"{at('evaluationrun_compare', first)}?with={second}",
        reverse("admin:embeddings_indexversion_change", args=[version.pk]),
    ):  # fmt: skip
        assert words in html, words
    told(owner, f"{at('evaluationrun_compare', first)}?with={second}")
    assert "Gate of version 2 beside 1" in told(owner, at("evaluationrun_changelist"))


def test_a_version_is_judged_again_by_the_policy_of_today(
    workspace: Workspace, sign_in: SignIn
) -> None:
    owner, version = sign_in(workspace), refused(workspace)
    GatePolicy.objects.create(workspace=workspace, required=False)
    assert owner.get(at("verdict_judge", version.pk)).status_code == 405
    html = owner.post(at("verdict_judge", version.pk), follow=True).content.decode()
    assert "A worker asks the questions now." in html
    assert "Being judged" in html
    assert "Judge it again" not in html
    assert Judgement.objects.unfinished().count() == 1
    judge_version(version.pk)
    html = told(owner, at("verdict", version.pk))
    assert "May go live" in html
    assert "lets it pass all the same" in html
    old = Verdict.objects.earliest("pk")
    assert f"?verdict={old.pk}" in html
    older = told(owner, f"{at('verdict', version.pk)}?verdict={old.pk}")
    assert "Refused" in older
    cut_over(version, actor=ANN)
    assert "This verdict opens nothing any more" in told(owner, at("verdict", version.pk))


def test_pages_without_a_verdict_say_so(workspace: Workspace, sign_in: SignIn) -> None:
    owner = sign_in(workspace)
    html = told(owner, at("verdict", live(workspace).pk))
    assert "None yet." in html
    assert "Judge it" not in html
    posted = owner.post(at("verdict_judge", live(workspace).pk), follow=True).content.decode()
    assert "Version 1 is live" in posted
    furnish(workspace)
    version = ready(workspace, "twin")
    owner.post(at("verdict_judge", version.pk))
    EvaluationRun.objects.all().delete()
    judge_version(version.pk)
    html = told(owner, at("verdict", version.pk))
    assert "Its runs were deleted" in html
    assert "Judge it now" in html
    assert "Nothing was compared yet" in told(owner, at("shadow", version.pk))
    verdict = Verdict.objects.create(
        version=version, against=live(workspace), allowed=True, summary="By hand."
    )
    assert str(verdict.summary) in told(owner, at("verdict", version.pk))


def test_the_shadow_shows_agreement_and_the_differing_questions(
    workspace: Workspace, sign_in: SignIn
) -> None:
    owner, version = sign_in(workspace), compared(workspace)
    ShadowComparison.objects.update(same_top=False, overlap=0.2)
    html = told(owner, at("shadow", version.pk))
    trace = Trace.objects.earliest("created_at")
    for words in (
        "25.0%", "Beside version 1 (hash)", "Same article first", "Answered here",
        "Questions on which the two differ: 3", "where is &lt;b&gt;the refund desk",
        at("trace_change", trace.pk), "About your refund", "20.0%",
    ):  # fmt: skip
        assert words in html, words
    assert "<b>the" not in html


@pytest.mark.parametrize("role", ["owner", "operator", "reviewer", "analyst", "editor"])
def test_who_reads_what(workspace: Workspace, sign_in: SignIn, role: str) -> None:
    client, version = sign_in(workspace, role), compared(workspace)
    judges, reads = role != "editor", role not in {"editor", "reviewer"}
    assert client.get(at("verdict", version.pk)).status_code == (200 if judges else 403)
    assert client.post(at("verdict_judge", version.pk)).status_code == (302 if judges else 403)
    assert client.get(at("shadow", version.pk)).status_code == (200 if reads else 403)
    given = {"workspace": workspace.pk, "measure": "hit@1", "margin": "0.05", "leg_margin": "0.2",
             "min_questions": 10, "required": "on"}  # fmt: skip
    assert client.post(at("gatepolicy_add"), given).status_code == (302 if role == "owner" else 403)
    assert GatePolicy.objects.filter(measure="hit@1", margin=0.05).exists() == (role == "owner")
    listed = client.get(at("gatepolicy_changelist"))
    assert listed.status_code == (200 if judges else 403)


def test_nothing_of_another_tenant_is_seen_or_judged(
    workspace: Workspace, foreign: Workspace, sign_in: SignIn
) -> None:
    client, theirs = sign_in(workspace), compared(foreign)
    judge(theirs)
    for name in ("verdict", "shadow"):
        assert client.get(at(name, theirs.pk)).status_code == 404
    assert client.post(at("verdict_judge", theirs.pk)).status_code == 404
    assert Judgement.objects.count() == 1
    policy = GatePolicy.objects.create(workspace=foreign)
    assert client.get(at("gatepolicy_change", policy.pk)).status_code == 302
    own = GatePolicy.objects.create(workspace=workspace)
    mine, other = (
        create_question_set(each, name=f"Set of {each}") for each in (workspace, foreign)
    )
    page = told(client, at("gatepolicy_change", own.pk))
    assert str(mine) in page
    assert str(other) not in page
    given = {"measure": "ndcg@10", "margin": 0.02, "leg_margin": 0.1, "min_questions": 30}
    client.post(at("gatepolicy_change", own.pk), given | {"question_sets": [other.pk]})
    assert not own.question_sets.exists()
    client.post(at("gatepolicy_change", own.pk), given | {"question_sets": [mine.pk]})
    assert list(own.question_sets.all()) == [mine]
    client.post(at("gatepolicy_delete", own.pk), {"post": "yes"})
    assert not GatePolicy.objects.filter(workspace=workspace).exists()


def test_who_belongs_to_two_workspaces_mixes_nothing(
    workspace: Workspace, foreign: Workspace, root: Client
) -> None:
    other = create_question_set(foreign, name="Theirs")
    given = {"workspace": workspace.pk, "measure": "ndcg@10", "margin": 0.02, "leg_margin": 0.1,
             "min_questions": 30, "question_sets": [other.pk]}  # fmt: skip
    html = root.post(at("gatepolicy_add"), given).content.decode()
    assert "Of another workspace: Theirs." in html
    assert not GatePolicy.objects.exists()


def test_pages_cost_the_same_however_many_questions_there_are(
    workspace: Workspace, sign_in: SignIn
) -> None:
    owner, version = sign_in(workspace), compared(workspace)
    page = at("shadow", version.pk)

    def queries() -> int:
        told(owner, page)
        with CaptureQueriesContext(connection) as captured:
            told(owner, page)
        return len(captured)

    before = queries()
    for topic in TOPICS[3:]:
        answered = answer_question(f"where is the {topic} desk", workspace=workspace)
        assert ask_candidate(answered.trace, version)
    assert queries() == before
