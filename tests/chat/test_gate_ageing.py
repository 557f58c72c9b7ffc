"""A verdict counts as long as what it was reached by does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections, transaction
from pytest_django import Settings

from chat.evaluation import tasks
from chat.evaluation.gate import judge
from chat.evaluation.gate_opening import open_judgement
from chat.evaluation.tasks import judge_version
from chat.models import GatePolicy, Judgement
from chat.services.gate_policies import POLICY_CHANGED
from embeddings.errors import GateRefused
from embeddings.models import IndexVersion, Verdict
from embeddings.services.cutting_over import cut_over, roll_back
from kb.models import Workspace
from tests.admin.conftest import SignIn, sign_in
from tests.chat.candidates import ANN, CANDIDATES, furnish, label, ready
from tests.factories import live, make_workspace

__all__ = ["sign_in"]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def encoders(hash_encoder: None, settings: Settings) -> None:  # noqa: ARG001 - comes first
    settings.ENCODERS = CANDIDATES


@pytest.fixture
def nudged(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Versions that a worker was asked to judge."""
    versions: list[object] = []

    def send(task: Any, version_id: object, **_: object) -> None:
        assert task.name == "chat.judge_version"
        versions.append(version_id)

    monkeypatch.setattr(tasks, "send_nudge", send)
    return versions


def lenient(workspace: Workspace) -> tuple[GatePolicy, IndexVersion, Verdict]:
    """A broken candidate that the policy let pass."""
    label(workspace, furnish(workspace))
    policy = GatePolicy.objects.create(workspace=workspace, required=False)
    version = ready(workspace, "broken")
    verdict = judge(version)
    assert verdict.allowed
    return policy, version, verdict


def counts(verdict: Verdict) -> bool:
    return Verdict.objects.standing().filter(pk=verdict.pk).exists()


def stricter(policy: GatePolicy) -> None:
    policy.required = True
    policy.save()


def other_sets(policy: GatePolicy) -> None:
    policy.question_sets.add(label(policy.workspace, [], name="Other"))


def gone(policy: GatePolicy) -> None:
    policy.delete()


def all_gone(policy: GatePolicy) -> None:
    GatePolicy.objects.filter(pk=policy.pk).delete()


@pytest.mark.parametrize("change", [stricter, other_sets, gone, all_gone])
def test_another_policy_another_verdict(
    workspace: Workspace,
    nudged: list[object],
    change: Callable[[GatePolicy], None],
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    policy, version, verdict = lenient(workspace)
    nudged.clear()
    with django_capture_on_commit_callbacks(execute=True):
        change(policy)
    assert not counts(verdict)
    assert version.pk in nudged
    with pytest.raises(GateRefused, match="not been judged"):
        cut_over(version, actor=ANN, patience=0)
    judge_version(version.pk)
    assert Verdict.objects.between(version, live(workspace)).get().pk > verdict.pk


def test_saved_as_it_was_nothing_is_judged_anew(workspace: Workspace) -> None:
    policy, version, verdict = lenient(workspace)
    policy.save()
    assert counts(verdict)
    assert judge(version) == verdict


def test_a_policy_concerns_its_own_workspace(workspace: Workspace) -> None:
    _, _, verdict = lenient(workspace)
    GatePolicy.objects.create(workspace=make_workspace("other"), margin=0.5)
    assert counts(verdict)


def test_what_is_asked_by_the_old_policy_ends_and_begins_anew(workspace: Workspace) -> None:
    label(workspace, furnish(workspace))
    version = ready(workspace, "broken")
    old = open_judgement(version)
    GatePolicy.objects.create(workspace=workspace, required=False)
    old.refresh_from_db()
    assert (old.problem, old.verdict) == (POLICY_CHANGED, None)
    judge_version(version.pk)
    assert Judgement.objects.count() == 2
    assert Verdict.objects.get().allowed


def test_a_version_that_was_rolled_back_from_is_judged_anew(
    workspace: Workspace, nudged: list[object]
) -> None:
    label(workspace, furnish(workspace))
    version = ready(workspace, "twin")
    old = judge(version)
    cut_over(version, actor=ANN, patience=0)
    roll_back(workspace, actor=ANN, patience=0)
    nudged.clear()
    with pytest.raises(GateRefused, match="A worker does so"):
        cut_over(version, actor=ANN, patience=0)
    assert nudged == [version.pk]
    judge_version(version.pk)
    assert Verdict.objects.latest("pk").pk > old.pk
    assert cut_over(version, actor=ANN, patience=0).pk == version.pk


def test_the_version_page_says_that_a_verdict_counts_no_more(
    workspace: Workspace, sign_in: SignIn
) -> None:
    policy, version, _ = lenient(workspace)
    owner, url = sign_in(workspace), f"/admin/embeddings/indexversion/{version.pk}/change/"
    assert "does not count any more" not in owner.get(url).content.decode()
    stricter(policy)
    assert "does not count any more" in owner.get(url).content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_judging_that_begins_meanwhile_waits_for_the_new_policy() -> None:
    workspace = make_workspace()
    label(workspace, furnish(workspace))
    version = ready(workspace, "broken")
    begun: list[Judgement] = []

    def begin() -> None:
        try:
            begun.append(open_judgement(version))
        finally:
            connections.close_all()

    thread = threading.Thread(target=begin)
    with transaction.atomic():
        GatePolicy.objects.create(workspace=workspace, required=False)
        thread.start()
        thread.join(timeout=0.5)
        assert thread.is_alive()
    thread.join(timeout=20)
    assert begun[0].policy["required"] is False


def test_a_workspace_goes_with_its_policy_and_verdicts(workspace: Workspace) -> None:
    lenient(workspace)
    workspace.delete()
    assert not Verdict.objects.exists()
