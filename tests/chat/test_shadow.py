"""Shadow mode: a share of the live questions is asked of a candidate, and nobody notices."""

from __future__ import annotations

import uuid
from datetime import timedelta
from threading import BoundedSemaphore
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from chat.models import ShadowComparison, Trace, TracePolicy
from chat.retrieval.rewriters import Rewriter
from chat.services.curated import CuratedDraft, save_curated_answer
from chat.shadow import offering
from chat.shadow.asking import ask_candidate, overlap
from chat.shadow.summary import summarise_shadow
from chat.tasks import forget_traces, shadow_question
from embeddings.errors import MoveRefused
from embeddings.models import IndexVersion, VersionState
from embeddings.services.cutting_over import cut_over
from embeddings.services.retiring import retire_version
from embeddings.services.shadowing import change_shadow_share
from embeddings.services.starting import start_version
from kb.access import caller_for_system
from kb.errors import InvalidInput
from kb.models import Scope, Workspace
from tests.chat.candidates import ANN, CANDIDATES, TOPICS, furnish, ready
from tests.chat.conftest import ClientFor, answer_always
from tests.factories import live, make_workspace

pytestmark = pytest.mark.django_db

Offered = list[tuple[str, int]]


@pytest.fixture(autouse=True)
def encoders(hash_encoder: None, settings: Settings) -> None:  # noqa: ARG001 - comes first
    settings.ENCODERS = CANDIDATES


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> Offered:
    """What was handed over, in place of Redis."""
    messages: Offered = []

    def take(task: str, trace_id: str, version_id: int, *, queue: str, expires: int) -> None:
        assert (task, queue, expires) == ("chat.shadow_question", "bulk", 60)
        messages.append((trace_id, version_id))

    monkeypatch.setattr(offering, "send_nudge", take)
    return messages


def settled() -> None:
    """Everything that was on its way has been handed over."""
    offering._sender.submit(lambda: None).result(timeout=10)


def ask(api: APIClient, text: str, *, conversation: str = "") -> str:
    """Ask as a visitor; the conversation's id."""
    where = "/api/v1/conversations"
    known = conversation or api.post(f"{where}/", {}, format="json").json()["id"]
    answer = api.post(f"{where}/{known}/messages/", {"text": text}, format="json")
    assert answer.status_code == 201, answer.content
    settled()
    return str(known)


def shadowed(workspace: Workspace, encoder: str = "twin", share: float = 1.0) -> IndexVersion:
    """A candidate that is asked too."""
    furnish(workspace)
    answer_always(workspace)
    return change_shadow_share(ready(workspace, encoder), share=share)


def test_a_live_question_is_asked_of_the_candidate_too(
    workspace: Workspace, api: APIClient, offered: Offered
) -> None:
    version = shadowed(workspace)
    ask(api, "where is the refund desk")
    trace = Trace.objects.get()
    assert offered == [(str(trace.pk), version.pk)]
    assert shadow_question(*offered[0])
    found = ShadowComparison.objects.get()
    assert (found.trace, found.live, found.candidate) == (trace, live(workspace), version)
    assert (found.same_top, found.overlap) == (True, 1.0)
    assert found.live_answered is found.candidate_answered is True
    assert found.live_confidence == pytest.approx(found.candidate_confidence, abs=1e-3)
    assert found.live_ranking == found.candidate_ranking
    assert found.live_ms > 0
    assert found.candidate_ms > 0
    assert Trace.objects.count() == 1  # the candidate's answer went nowhere


def test_a_message_that_comes_twice_counts_once(
    workspace: Workspace, api: APIClient, offered: Offered
) -> None:
    shadowed(workspace)
    ask(api, "where is the refund desk")
    assert shadow_question(*offered[0])
    assert not shadow_question(*offered[0])
    assert ShadowComparison.objects.count() == 1


def test_follow_ups_are_asked_with_what_was_said_before(
    workspace: Workspace, api: APIClient, offered: Offered, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadowed(workspace)
    known = ask(api, "where is the refund desk")

    class Model:
        name = "model"
        asked = 0

        def rewrite(self, *_: object, **__: object) -> str:
            self.asked += 1
            return "when is the refund desk open"

    model: Any = Model()
    rewriter: Rewriter = model
    monkeypatch.setattr("chat.retrieval.rewriting.configured_rewriter", lambda: rewriter)
    ask(api, "and when is it open", conversation=known)
    assert shadow_question(*offered[1])
    found = ShadowComparison.objects.get()
    assert found.trace.detail["question"]["history"]
    assert found.same_top
    assert found.overlap == 1.0
    assert model.asked == 1  # by the visitor's question alone


def test_the_share_is_a_share(
    workspace: Workspace, api: APIClient, offered: Offered, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = shadowed(workspace, share=0.25)
    chances = iter([0.1, 0.9, 0.24, 0.25])
    monkeypatch.setattr("chat.shadow.offering.random.random", lambda: next(chances))
    for topic in TOPICS[:4]:
        ask(api, f"where is the {topic} desk")
    assert len(offered) == 2
    change_shadow_share(version, share=0)
    ask(api, "where is the refund desk")
    assert len(offered) == 2


def test_a_question_costs_one_query_more_and_waits_for_nobody(
    workspace: Workspace, api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadowed(workspace)
    ask(api, "where is the refund desk")
    trace = Trace.objects.get()
    monkeypatch.setattr(offering, "_room", BoundedSemaphore(2))
    sent: list[object] = []
    monkeypatch.setattr(offering._sender, "submit", lambda *given: sent.append(given))
    for _ in range(5):
        with CaptureQueriesContext(connection) as captured:
            offering.offer(trace)
        assert len(captured) == 1
    assert len(sent) == 2  # no more than there is room for; the others are let go


def test_nothing_that_goes_wrong_reaches_the_visitor(
    workspace: Workspace, api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadowed(workspace)

    def fail(*_: object) -> None:
        raise RuntimeError("no such luck")

    monkeypatch.setattr(offering, "_drawn", fail)
    ask(api, "where is the refund desk")


def test_what_the_candidate_cannot_answer_is_let_go(
    workspace: Workspace, api: APIClient, offered: Offered
) -> None:
    version = shadowed(workspace)
    ask(api, "where is the refund desk")
    IndexVersion.objects.filter(pk=version.pk).update(fingerprint="another")
    assert not shadow_question(*offered[0])
    assert not shadow_question(str(uuid.uuid4()), version.pk)
    assert not shadow_question(offered[0][0], 0)
    assert not ShadowComparison.objects.exists()


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ({"keep_texts": False}, "where is the refund desk"),
        ({"redact": True}, "where is the refund desk, ann@example.com"),
    ],
)
def test_what_the_policy_keeps_no_words_of_is_not_asked(
    workspace: Workspace, api: APIClient, offered: Offered, policy: dict[str, bool], text: str
) -> None:
    version = shadowed(workspace)
    TracePolicy.objects.create(workspace=workspace, **policy)
    ask(api, text)
    assert offered == []
    assert ask_candidate(Trace.objects.get(), version) is None


def test_comparisons_go_with_their_traces(
    workspace: Workspace, api: APIClient, offered: Offered
) -> None:
    shadowed(workspace)
    ask(api, "where is the refund desk")
    shadow_question(*offered[0])
    Trace.objects.update(created_at=timezone.now() - timedelta(days=91))
    assert forget_traces() == 1
    assert not ShadowComparison.objects.exists()
    assert not shadow_question(*offered[0])


def test_a_curated_answer_is_not_compared(
    workspace: Workspace, api: APIClient, offered: Offered
) -> None:
    version = shadowed(workspace)
    draft = CuratedDraft(text="Ask Ann.", questions=("where is the refund desk",), language="en")
    save_curated_answer(caller_for_system(workspace), draft=draft)
    ask(api, "Where is the refund desk?")
    trace = Trace.objects.get()
    assert trace.detail["answer"]["curated"]
    assert offered == []
    assert ask_candidate(trace, version) is None


def test_internal_articles_stay_with_those_who_may_see_them(
    workspace: Workspace, client_for: ClientFor, offered: Offered
) -> None:
    shadowed(workspace)
    staff = client_for(workspace, Scope.CHAT, Scope.INTERNAL)
    ask(staff, "where is the refund desk")
    shadow_question(*offered[0])
    assert ShadowComparison.objects.get().trace.include_internal


def test_a_trace_of_another_workspace_is_never_asked(
    workspace: Workspace, api: APIClient, offered: Offered
) -> None:
    shadowed(workspace)
    theirs = make_workspace("theirs")
    foreign = shadowed(theirs)
    ask(api, "where is the refund desk")
    assert len(offered) == 1
    assert not shadow_question(offered[0][0], foreign.pk)
    assert not ShadowComparison.objects.exists()


def test_only_candidates_cast_a_shadow(
    workspace: Workspace, api: APIClient, offered: Offered, django_capture_on_commit_callbacks: Any
) -> None:
    version = shadowed(workspace)
    ask(api, "where is the refund desk")
    with django_capture_on_commit_callbacks(execute=True):
        cut_over(version, actor=ANN, override="for the test")
    version.refresh_from_db()
    assert (version.state, version.shadow_share) == (VersionState.LIVE, 0.0)
    assert not shadow_question(*offered[0])  # live now
    old = workspace.index_versions.get(number=1)
    change_shadow_share(old, share=0.5)
    with django_capture_on_commit_callbacks(execute=True):
        retire_version(old, actor=ANN, at_once=True)
    old.refresh_from_db()
    assert old.shadow_share == 0


def test_shares_are_checked(workspace: Workspace) -> None:
    furnish(workspace)
    building = start_version(workspace, encoder="twin", actor=ANN)
    for version in (building, live(workspace)):
        with pytest.raises(MoveRefused):
            change_shadow_share(version, share=0.1)
        change_shadow_share(version, share=0)
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(InvalidInput):
            change_shadow_share(building, share=share)


def test_the_summary_says_how_far_the_two_agree(
    workspace: Workspace, api: APIClient, offered: Offered
) -> None:
    version = shadowed(workspace, "broken")
    for topic in TOPICS[:4]:
        ask(api, f"where is the {topic} desk")
    for each in offered:
        assert shadow_question(*each)
    rows = list(ShadowComparison.objects.order_by("pk"))
    ShadowComparison.objects.filter(pk=rows[0].pk).update(same_top=False, overlap=0.4)
    ShadowComparison.objects.filter(pk=rows[1].pk).update(candidate_answered=False, same_top=True)
    ShadowComparison.objects.filter(pk=rows[2].pk).update(same_top=True, overlap=0.9)
    ShadowComparison.objects.filter(pk=rows[3].pk).update(same_top=True, overlap=1)
    found = summarise_shadow(version, beside=live(workspace))
    assert (found.questions, found.agreement) == (4, 0.75)
    assert (found.live_answered, found.candidate_answered) == (1.0, 0.75)
    assert (found.only_live, found.only_candidate) == (1, 0)
    assert [each.pk for each in found.different] == [rows[1].pk, rows[0].pk, rows[2].pk]
    assert found.different_count == 3
    assert found.live_ms
    assert found.candidate_ms
    nothing = summarise_shadow(live(workspace), beside=version)
    assert (nothing.questions, nothing.agreement, nothing.different) == (0, None, ())


def test_overlap_and_what_the_database_refuses(
    workspace: Workspace, api: APIClient, offered: Offered
) -> None:
    assert overlap([], []) == 1
    assert overlap([1, 2, 3, 4], [4, 5]) == 0.25
    assert overlap([], [1]) == 0
    shadowed(workspace)
    ask(api, "where is the refund desk")
    shadow_question(*offered[0])
    with pytest.raises(IntegrityError), transaction.atomic():
        ShadowComparison.objects.update(overlap=1.5)
