"""The playground, and what a trace's page lets people do with it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from chat.answering.answer import answer_question
from chat.models import RetrievalProfile, Trace, TracePolicy
from chat.retrieval.conversation import Turn
from chat.services.traces import replay_trace
from embeddings.filling.loop import embed_pending
from embeddings.models import IndexVersion, VersionState
from embeddings.services.entries import ensure_entries
from embeddings.services.versions import create_index_version
from kb.access import caller_for_system
from kb.models import Article, Collection, Workspace
from tests.admin.conftest import SignIn
from tests.chat.conftest import answer_always
from tests.factories import live, make_article

QUESTION = "how long does a refund take"
ASK = {"question": QUESTION, "reader": "public", "profile_b": "-"}


@pytest.fixture
def refunds(workspace: Workspace) -> Article:
    """A searchable article beside another, and a profile that answers whatever is asked."""
    answer_always(workspace)
    article = make_article(
        workspace, title="Refunds", body="# Money\n\nA refund takes <b>five</b> days."
    )
    make_article(workspace, title="Hours", body="We open at nine and take our time.")
    embed_pending(live(workspace))
    return article


@pytest.fixture
def trace(workspace: Workspace, refunds: Article) -> Trace:
    """A visitor's question."""
    return Trace.objects.get(pk=answer_question(QUESTION, workspace=workspace).trace_id)


@pytest.fixture
def owner(workspace: Workspace, sign_in: SignIn) -> Client:
    """An owner's browser."""
    return sign_in(workspace)


def playground(workspace: Workspace) -> str:
    return reverse("admin:chat_playground_workspace", args=[workspace.slug])


def ask(client: Client, workspace: Workspace, **given: Any) -> str:
    response = client.post(playground(workspace), {**ASK, **given})
    assert response.status_code == 200
    return response.content.decode()


def second_version(workspace: Workspace) -> IndexVersion:
    version = create_index_version(workspace, encoder="hash-wide", state=VersionState.READY)
    ensure_entries(version, bulk=False)
    embed_pending(version)
    return version


@pytest.mark.usefixtures("refunds")
def test_one_column_shows_legs_ranking_context_and_answer(
    owner: Client, workspace: Workspace
) -> None:
    page = ask(owner, workspace)
    for said in ("Passages", "Whole articles", "Full text", "Words", "Ranking", "Context"):
        assert f"<h2>{said}</h2>" in page
    assert "A refund takes &lt;b&gt;five&lt;/b&gt; days." in page
    assert "<b>five</b>" not in page
    assert "Money" in page
    assert "What changed" not in page
    assert not Trace.objects.exists()


@pytest.mark.usefixtures("refunds")
def test_two_columns_compare_profiles(owner: Client, workspace: Workspace) -> None:
    RetrievalProfile.objects.create(
        workspace=workspace,
        name="words",
        settings={"passage_weight": 0, "article_weight": 0, "abstain_below": 1.0},
    )
    page = ask(owner, workspace, profile_b="words")
    assert "What changed" in page
    assert "Another answer." in page
    assert "passage weight" in page
    assert 'aria-label="Column A"' in page
    assert 'aria-label="Column B"' in page
    assert "abstained" in page


@pytest.mark.usefixtures("refunds")
def test_two_columns_compare_versions(owner: Client, workspace: Workspace) -> None:
    second_version(workspace)
    page = ask(owner, workspace, profile_b="", version_b="2")
    assert "version 2, hash-wide" in page
    assert "version 1, hash" in page


@pytest.mark.usefixtures("refunds")
def test_one_broken_column_leaves_the_other(owner: Client, workspace: Workspace) -> None:
    version = second_version(workspace)
    IndexVersion.objects.filter(pk=version.pk).update(fingerprint="another")
    page = ask(owner, workspace, profile_b="", version_b="2")
    assert "was built with" in page
    assert "A refund takes" in page
    assert "What changed" not in page


def test_no_live_index_is_a_message(owner: Client, workspace: Workspace) -> None:
    IndexVersion.objects.filter(workspace=workspace).update(state="retired")
    assert "has no live index" in ask(owner, workspace)


@pytest.mark.usefixtures("refunds")
def test_encoder_away_is_a_message(owner: Client, workspace: Workspace, settings: Settings) -> None:
    settings.ENCODERS = {}
    assert 'role="alert"' in ask(owner, workspace)


@pytest.mark.parametrize("question", ["", "  \n ", "🤷\x00", "x" * 4001])
def test_rejected_questions_are_messages(
    owner: Client, workspace: Workspace, question: str
) -> None:
    page = ask(owner, workspace, question=question)
    assert 'role="alert"' in page
    assert "Ranking" not in page


@pytest.mark.parametrize(
    "given",
    [{"profile_a": "nope"}, {"version_a": "99"}, {"version_a": "x"}, {"updated_after": "soon"},
     {"collection": "nope"}, {"language": "xx"}, {"reader": "root"}],
)  # fmt: skip
def test_unknown_choices_are_messages(
    owner: Client, workspace: Workspace, given: dict[str, str]
) -> None:
    page = ask(owner, workspace, **given)
    assert 'role="alert"' in page
    assert "Ranking" not in page


def test_reader_history_and_filters_are_used(
    owner: Client, workspace: Workspace, refunds: Article
) -> None:
    shelf = Collection.objects.create(workspace=workspace, name="Money", slug="money")
    refunds.collection = shelf
    refunds.save()
    make_article(workspace, title="Playbook", body="A refund limit of fifty.", audience="internal")
    embed_pending(live(workspace))
    assert "Playbook" not in ask(owner, workspace)
    assert "Playbook" in ask(owner, workspace, reader="internal")
    shelved = ask(owner, workspace, collection="money", history="I am lost\nBot: Tell me more.")
    assert "Refunds" in shelved
    assert "Hours" not in shelved
    assert "Refunds" not in ask(owner, workspace, updated_after="2999-01-31")
    too_long = "a\n" * 51
    assert "At most 50 turns" in ask(owner, workspace, history=too_long)


def test_a_question_is_never_in_an_address(owner: Client, workspace: Workspace) -> None:
    page = owner.get(playground(workspace), {"question": "zeppelin"})
    assert b"zeppelin" not in page.content
    assert b'method="post"' in page.content


def test_asking_needs_the_token(workspace: Workspace, owner: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = owner.cookies
    assert strict.post(playground(workspace), ASK).status_code == 403


@pytest.mark.parametrize(
    ("role", "status"),
    [("owner", 200), ("operator", 200), ("analyst", 200), ("editor", 403), ("reviewer", 403)],
)
def test_the_playground_is_for_who_may_read_traces(
    workspace: Workspace, sign_in: SignIn, role: str, status: int
) -> None:
    client = sign_in(workspace, role)
    assert client.get(playground(workspace)).status_code == status
    assert client.post(playground(workspace), ASK).status_code == status
    assert client.get(reverse("admin:chat_playground"), follow=True).status_code == status
    shown = reverse("admin:chat_playground") in client.get(reverse("admin:index")).content.decode()
    assert shown == (status == 200)


def test_the_playground_of_another_tenant_does_not_exist(
    workspace: Workspace, foreign: Workspace, sign_in: SignIn, root: Client
) -> None:
    client = sign_in(workspace)
    assert client.get(playground(foreign)).status_code == 404
    assert client.post(playground(foreign), ASK).status_code == 404
    assert sign_in().get(playground(foreign)).status_code == 404
    choice = root.get(reverse("admin:chat_playground")).content.decode()
    assert playground(workspace) in choice
    assert playground(foreign) in choice
    assert Client().get(playground(workspace)).status_code == 302


def test_choices_are_of_this_workspace_alone(
    owner: Client, workspace: Workspace, foreign: Workspace
) -> None:
    RetrievalProfile.objects.create(workspace=foreign, name="zanzibar")
    Collection.objects.create(workspace=foreign, name="Zanzibar", slug="zanzibar")
    page = owner.get(playground(workspace)).content.decode()
    assert "zanzibar" not in page.lower()


def page_of(trace: Trace) -> str:
    return reverse("admin:chat_trace_change", args=[trace.pk])


def test_a_trace_is_replayed_and_compared(
    owner: Client, workspace: Workspace, trace: Trace
) -> None:
    second_version(workspace)
    assert "Ask again" in owner.get(page_of(trace)).content.decode()
    address = reverse("admin:chat_trace_replay", args=[trace.pk])
    assert owner.get(address).status_code == 405
    response = owner.post(address, {"version": "2", "profile": "default"}, follow=True)
    page = response.content.decode()
    assert "Replayed; below is what changed." in page
    assert "What changed" in page
    again = Trace.objects.exclude(pk=trace.pk).get()
    assert again.replay_of_id == trace.pk
    assert response.redirect_chain[-1][0] == page_of(again)
    assert _questions(owner) == 1
    comparison = reverse("admin:chat_trace_diff", args=[trace.pk, again.pk])
    assert comparison in owner.get(page_of(trace)).content.decode()
    compared = owner.get(comparison)
    assert compared.status_code == 200
    assert "hash-wide" in compared.content.decode()


def _questions(client: Client) -> int:
    """Of the day, as the overview counts them: replays are none of visitors."""
    [figures] = client.get(reverse("admin:index")).context["figures"]
    return int(figures.questions)


def test_a_replay_that_cannot_be_is_a_message(
    owner: Client, workspace: Workspace, trace: Trace
) -> None:
    address = reverse("admin:chat_trace_replay", args=[trace.pk])
    wrong = owner.post(address, {"version": "9"}, follow=True)
    assert b"no such profile or version" in wrong.content
    IndexVersion.objects.filter(workspace=workspace).update(state="retired")
    assert b"has no live index" in owner.post(address, follow=True).content
    assert Trace.objects.count() == 1


def test_a_trace_without_words_offers_no_replay(
    owner: Client, workspace: Workspace, refunds: Article
) -> None:
    TracePolicy.objects.create(workspace=workspace, keep_texts=False)
    made = answer_question(QUESTION, workspace=workspace)
    page = owner.get(page_of(Trace.objects.get(pk=made.trace_id))).content.decode()
    assert "kept no words" in page
    assert QUESTION not in page
    assert str(refunds.latest_revision.title) in page  # type: ignore[union-attr]  # it has one


def test_views_of_foreign_traces_do_not_exist(
    workspace: Workspace, foreign: Workspace, sign_in: SignIn, trace: Trace
) -> None:
    again = replay_trace(caller_for_system(workspace), trace)
    own = Trace.objects.create(
        workspace=foreign, question="q", index_version_id=1, profile="p", detail={}
    )
    stranger = sign_in(foreign)
    for pair in ((trace, again), (own, trace), (trace, own)):
        address = reverse("admin:chat_trace_diff", args=[each.pk for each in pair])
        assert stranger.get(address).status_code == 404
    for name in ("replay", "label"):
        address = reverse(f"admin:chat_trace_{name}", args=[trace.pk])
        assert stranger.post(address).status_code == 404
        nowhere = reverse(f"admin:chat_trace_{name}", args=[uuid.UUID(int=1)])
        assert stranger.post(nowhere).status_code == 404
    editor = sign_in(workspace, "editor")
    assert editor.post(reverse("admin:chat_trace_replay", args=[trace.pk])).status_code == 403
    assert Trace.objects.count() == 3


def test_broken_and_old_details_still_make_a_page(owner: Client, workspace: Workspace) -> None:
    details: list[Any] = [{}, [], {"fused": "?", "legs": {"terms": {"en": 3}}, "context": [{}]}]
    for detail in details:
        odd = Trace.objects.create(
            workspace=workspace, question="odd", index_version_id=1, profile="p", detail=detail
        )
        assert owner.get(page_of(odd)).status_code == 200


def test_owners_alone_decide_what_is_kept(
    workspace: Workspace, foreign: Workspace, sign_in: SignIn, owner: Client
) -> None:
    add = reverse("admin:chat_tracepolicy_add")
    given = {"workspace": workspace.pk, "keep_days": 30, "redact": "on", "phone_regions": "de, at"}
    for role in ("operator", "analyst", "editor", "reviewer"):
        assert sign_in(workspace, role).post(add, given).status_code == 403
    owner.post(add, {**given, "workspace": foreign.pk})
    assert not TracePolicy.objects.exists()
    assert owner.post(add, {**given, "phone_regions": "Germany"}).status_code == 200
    assert owner.post(add, {**given, "keep_days": 5000}).status_code == 200
    assert owner.post(add, given).status_code == 302
    policy = TracePolicy.objects.get()
    assert (policy.keep_days, policy.redact, policy.keep_texts) == (30, True, False)
    assert policy.phone_regions == ["DE", "AT"]
    change = reverse("admin:chat_tracepolicy_change", args=[policy.pk])
    assert "DE, AT" in owner.get(change).content.decode()
    assert owner.post(add, given).status_code == 200  # there is one already
    assert sign_in(foreign).get(change).status_code == 302


def test_a_follow_up_shows_what_was_looked_for_and_who_worded_it(
    owner: Client, workspace: Workspace, refunds: Article
) -> None:
    assert refunds
    before = [Turn(role="visitor", text="I <b>paid</b> twice")]
    made = answer_question(QUESTION, workspace=workspace, history=before)
    url = reverse("admin:chat_trace_change", args=[made.trace_id])
    page = owner.get(url).content.decode()
    assert f"Searched as: I &lt;b&gt;paid&lt;/b&gt; twice\n{QUESTION}" in page
    assert "Not rewritten: no language model is set up." in page
    trace = Trace.objects.get(pk=made.trace_id)
    trace.detail["rewriting"] = {"rewritten_by": "a <model>", "skipped": ""}
    trace.save()
    page = owner.get(url).content.decode()
    assert "Rewritten by a &lt;model&gt;." in page
    assert "Not rewritten" not in page


def test_the_playground_shows_it_too(owner: Client, workspace: Workspace, refunds: Article) -> None:
    assert refunds
    page = ask(owner, workspace, history="I paid twice")
    assert f"Searched as: I paid twice\n{QUESTION}" in page
    assert "Not rewritten: no language model is set up." in page
    assert "Not rewritten" not in ask(owner, workspace)
