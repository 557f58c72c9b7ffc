"""The gate: a candidate is judged by questions with known answers, beside the live version."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from chat.errors import CannotJudge
from chat.evaluation.gate import judge
from chat.models import EvaluationRun, GatePolicy, QuestionOutcome
from chat.services.question_sets import create_question_set
from embeddings.errors import GateRefused
from embeddings.filling.loop import embed_pending
from embeddings.models import Verdict, VersionEvent, VersionState
from embeddings.services.cutting_over import cut_over, roll_back
from embeddings.services.starting import start_version
from kb.models import Workspace
from tests.chat.candidates import ANN, CANDIDATES, TOPICS, furnish, label, ready
from tests.factories import live, make_article, make_workspace

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def encoders(hash_encoder: None, settings: Settings) -> None:  # noqa: ARG001 - comes first
    settings.ENCODERS = CANDIDATES


def set_policy(workspace: Workspace, **given: Any) -> GatePolicy:
    return GatePolicy.objects.update_or_create(workspace=workspace, defaults=given)[0]


def texts_asked() -> set[str]:
    return set(QuestionOutcome.objects.values_list("text", flat=True))


def test_an_equal_encoder_passes(workspace: Workspace) -> None:
    label(workspace, furnish(workspace))
    version = ready(workspace, "twin")
    verdict = judge(version)
    assert verdict.allowed, verdict.summary
    fused = verdict.differences["fused"]
    assert (fused["difference"], fused["low"], fused["high"]) == (0, 0, 0)
    assert fused["questions"] == 3 * len(TOPICS)
    assert verdict.worst == []
    assert "36 questions of Desk" in verdict.summary
    assert "nDCG@10" in verdict.summary
    assert f"{fused['first']:.4f} live" in verdict.summary
    assert cut_over(version, actor=ANN).state == VersionState.LIVE


def test_a_broken_encoder_is_refused_and_the_questions_are_named(workspace: Workspace) -> None:
    label(workspace, furnish(workspace))
    version = ready(workspace, "broken")
    verdict = judge(version)
    assert not verdict.allowed
    assert "its vectors look broken" in verdict.summary
    passage = verdict.differences["passage"]
    assert passage["high"] < -0.1
    assert passage["first"] > passage["second"]
    assert len(verdict.worst) == 25
    worst = verdict.worst[0]
    assert worst["text"] in texts_asked()
    assert worst["legs"]["passage"]["difference"] < 0
    losses = [
        min(each["legs"][leg]["difference"] for leg in ("passage", "article"))
        for each in verdict.worst
    ]
    assert losses == sorted(losses)
    with pytest.raises(GateRefused) as refused:
        cut_over(version, actor=ANN)
    assert refused.value.worst == verdict.worst
    assert live(workspace).number == 1


def test_words_that_find_everything_do_not_hide_broken_vectors(workspace: Workspace) -> None:
    """Titles: the words alone find each of them, so that the whole loses little."""
    furnish(workspace)
    set_policy(workspace, margin=1.0)
    version = ready(workspace, "broken")
    verdict = judge(version)
    assert not verdict.allowed
    assert "than 0.1 worse, whatever the words still find" in verdict.summary
    set_policy(workspace, margin=1.0, leg_margin=1.0)
    assert judge(version, anew=True).allowed


def test_an_override_is_recorded(workspace: Workspace) -> None:
    label(workspace, furnish(workspace))
    version = ready(workspace, "broken")
    verdict = judge(version)
    cut_over(version, actor=ANN, override="The old model's licence ends today.")
    event = VersionEvent.objects.latest("pk")
    assert (event.actor, event.move, event.version_id) == ("ann", "cut_over", version.pk)
    assert event.reason == "The old model's licence ends today."
    assert event.details["verdict"] == verdict.pk
    assert event.details["override"] == event.reason


def test_the_runs_are_the_real_pipelines_and_kept(workspace: Workspace) -> None:
    label(workspace, furnish(workspace))
    version = ready(workspace, "twin")
    verdict = judge(version)
    runs = list(EvaluationRun.objects.filter(pk__in=verdict.runs).order_by("pk"))
    assert [run.pk for run in runs] == verdict.runs
    assert [run.index_version_number for run in runs] == [1, 2]
    assert [run.encoder for run in runs] == ["hash", "twin"]
    assert {run.state for run in runs} == {"done"}
    assert {run.done for run in runs} == {3 * len(TOPICS)}
    assert runs[0].settings == runs[1].settings
    assert verdict.policy["measure"] == "ndcg@10"
    assert verdict.policy["asked"]["names"] == ["Desk"]


def test_titles_are_asked_where_there_is_no_set(workspace: Workspace) -> None:
    furnish(workspace)
    make_article(workspace, title="A draft", body="Not out yet.", published=False)
    make_article(
        workspace, title="Wages of the team", body="Not for visitors.", audience="internal"
    )
    make_article(workspace, title="About your refund", body="A second one of that title.")
    create_question_set(workspace, name="Empty")
    embed_pending(live(workspace))
    verdict = judge(ready(workspace, "twin"))
    assert verdict.allowed
    assert texts_asked() == {f"About your {topic}" for topic in TOPICS}
    assert f"the titles of {len(TOPICS)} articles (no question set" in verdict.summary
    assert "fewer than 30 questions" in verdict.summary


def test_few_labelled_questions_are_joined_by_titles(workspace: Workspace) -> None:
    articles = furnish(workspace)
    label(workspace, articles[:1])
    verdict = judge(ready(workspace, "twin"))
    assert f"3 questions of Desk and the titles of {len(TOPICS)} articles" in verdict.summary
    assert len(texts_asked()) == 3 + len(TOPICS)


def test_titles_are_drawn_the_same_each_time(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.evaluation.gate_questions.TITLES", 4)
    furnish(workspace)
    version = ready(workspace, "twin")
    judge(version)
    first = texts_asked()
    assert len(first) == 4
    judge(version, anew=True)
    assert texts_asked() == first


def test_a_workspace_without_articles_has_nothing_to_lose(workspace: Workspace) -> None:
    verdict = judge(ready(workspace, "twin"))
    assert verdict.allowed
    assert "No article is published" in verdict.summary
    assert verdict.runs == []


def test_articles_of_which_nothing_is_known_need_a_person(workspace: Workspace) -> None:
    make_article(workspace, title="Wages", body="For the team.", audience="internal")
    embed_pending(live(workspace))
    verdict = judge(ready(workspace, "twin"))
    assert not verdict.allowed
    assert "Label questions" in verdict.summary


def test_questions_of_another_workspace_are_never_asked(workspace: Workspace) -> None:
    theirs = make_workspace("theirs")
    foreign = label(theirs, furnish(theirs), name="Theirs")
    label(workspace, furnish(workspace))
    policy = set_policy(workspace)
    policy.question_sets.add(foreign)  # by whatever mishap
    verdict = judge(ready(workspace, "twin"))
    assert "Theirs" not in verdict.summary
    ids = {article for each in QuestionOutcome.objects.all() for article in each.ranking}
    assert ids <= set(workspace.articles.values_list("pk", flat=True))
    assert not EvaluationRun.objects.filter(workspace=theirs).exists()


def test_the_policy_chooses_sets_measure_and_margins(workspace: Workspace) -> None:
    articles = furnish(workspace)
    label(workspace, articles, name="All")
    chosen = label(workspace, articles[:2], name="Chosen")
    policy = set_policy(workspace, measure="hit@1", margin=0.5, min_questions=5)
    policy.question_sets.add(chosen)
    verdict = judge(ready(workspace, "twin"))
    assert verdict.summary.startswith("Asked: 6 questions of Chosen. hit@1 ")
    assert (verdict.policy["margin"], verdict.policy["measure"]) == (0.5, "hit@1")


def test_a_gate_that_is_not_required_only_tells(workspace: Workspace) -> None:
    label(workspace, furnish(workspace))
    set_policy(workspace, required=False)
    version = ready(workspace, "broken")
    verdict = judge(version)
    assert verdict.allowed
    assert "look broken" in verdict.summary
    assert "lets it pass all the same" in verdict.summary
    assert cut_over(version, actor=ANN).state == VersionState.LIVE


def test_only_what_is_complete_is_judged(workspace: Workspace) -> None:
    furnish(workspace)
    version = start_version(workspace, encoder="twin", actor=ANN)
    with pytest.raises(CannotJudge, match="Version 2 is building"):
        judge(version)
    with pytest.raises(CannotJudge, match="Version 1 is live"):
        judge(live(workspace))
    assert not Verdict.objects.exists()


def test_a_verdict_holds_for_the_live_version_of_its_time(workspace: Workspace) -> None:
    label(workspace, furnish(workspace))
    second, third = ready(workspace, "twin"), ready(workspace, "hash-wide")
    set_policy(workspace, margin=1.0, leg_margin=1.0)
    first = judge(third)
    assert judge(third).pk == first.pk
    judge(second)
    cut_over(second, actor=ANN)
    with pytest.raises(GateRefused, match="not been judged beside the live version 2"):
        cut_over(third, actor=ANN)
    assert judge(third).against_id == second.pk
    roll_back(workspace, actor=ANN)
    assert judge(third).pk == first.pk
    assert judge(second).against.number == 1
