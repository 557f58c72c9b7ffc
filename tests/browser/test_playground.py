"""The playground and a trace's page as a person uses them: compared, replayed; on a phone too."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from chat.answering.answer import answer_question
from chat.models import LabelledQuestion, QuestionSet, RetrievalProfile, Trace
from chat.retrieval.conversation import Turn
from embeddings.filling.loop import embed_pending
from kb.models import Membership, Workspace
from tests.browser.conftest import violations
from tests.factories import live, make_article, make_workspace

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
# Set to a folder to look at what the tests saw.
PICTURES = os.environ.get("BROWSER_PICTURES", "")
BODIES = {
    "Refunds": "# Money back\n\nA refund takes five days. Weekends do not count.",
    "Opening hours": "We open at nine and take our time with refunds on Mondays.",
    "How long parcels take": "Parcels take three days, and longer to islands.",
}


@pytest.fixture
def workspace(transactional_db: None) -> Workspace:  # noqa: ARG001 - the server is another thread
    """With articles, two profiles, and an owner who may sign in."""
    workspace = make_workspace("acme")
    ann = User.objects.create_user("ann", password="correct horse", is_staff=True)
    Membership.objects.create(workspace=workspace, user=ann, role="owner")
    for title, body in BODIES.items():
        make_article(workspace, title=title, body=body)
    embed_pending(live(workspace))
    QuestionSet.objects.create(workspace=workspace, name="Money", slug="money")
    meaning = {"passage_words_weight": 0, "article_words_weight": 0, "abstain_below": 1.0}
    for name, settings in (("sure", {"abstain_below": 0.0}), ("meaning", meaning)):
        RetrievalProfile.objects.create(workspace=workspace, name=name, settings=settings)
    return workspace


def look(page: Page, name: str) -> None:
    """Accessible and within the screen, at a desk and on a phone."""
    for width, size in (("desk", DESK), ("phone", PHONE)):
        page.set_viewport_size(size)  # type: ignore[arg-type]  # a plain dictionary will do
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        if PICTURES:
            dark = page.evaluate("document.documentElement.classList.contains('dark')")
            file = f"{name}-{width}-{'dark' if dark else 'light'}.png"
            page.screenshot(path=Path(PICTURES) / file, full_page=True)
    page.set_viewport_size(DESK)  # type: ignore[arg-type]  # as above


def test_a_question_is_tried_in_two_ways(page: Page, workspace: Workspace) -> None:
    page.goto("/admin/")
    page.get_by_role("link", name="Playground").click()
    look(page, "playground-empty")
    page.get_by_label("Question").fill("how long does a refund take")
    page.locator("#id_profile_a").select_option("sure")
    page.locator("#id_profile_b").select_option("meaning")
    page.locator("summary", has_text="Reader, conversation and filters").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Said before").fill("I paid twice\nBot: Sorry to hear that.")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.get_by_role("heading", name="What changed")).to_be_visible()
    first, second = page.get_by_role("group", name="Column A"), page.locator(".ub-column").nth(1)
    expect(first.get_by_text("A refund takes five days.").first).to_be_visible()
    expect(second.get_by_text("abstained").first).to_be_visible()
    expect(page.get_by_label("Question", exact=False).first).to_have_value(
        "how long does a refund take"
    )
    assert "refund" not in page.url
    look(page, "playground-compared")
    page.get_by_label("Refunds", exact=True).check()
    page.get_by_role("button", name="Save the question").click()
    expect(page.get_by_text("Saved to Money.")).to_be_visible()
    assert LabelledQuestion.objects.get().text == "how long does a refund take"
    assert not Trace.objects.filter(workspace=workspace).exists()


def test_a_trace_is_replayed_with_another_profile(page: Page, workspace: Workspace) -> None:
    made = answer_question(
        "how long does a refund take for ann@example.com",
        workspace=workspace,
        profile="sure",
        history=[Turn(role="visitor", text="Hello")],
    )
    page.goto(f"/admin/chat/trace/{made.trace_id}/change/")
    expect(page.get_by_text("for [email]").first).to_be_visible()
    look(page, "trace")
    page.locator("#id_profile").select_option("meaning")
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("Replayed; below is what changed.")).to_be_visible()
    expect(page.get_by_text("Another answer.")).to_be_visible()
    look(page, "trace-replayed")
    page.get_by_role("link", name="the trace of").click()
    page.get_by_role("link", name="what changed").click()
    expect(page.get_by_role("heading", name="What changed").first).to_be_visible()
    look(page, "trace-comparison")


def test_the_policy_of_traces_is_a_form(page: Page) -> None:
    page.goto("/admin/chat/tracepolicy/add/")
    look(page, "trace-policy")
