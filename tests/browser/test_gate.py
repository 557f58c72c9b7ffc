"""The pages of gate and shadow: they fit a phone, and axe finds nothing."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from pytest_django import Settings

from chat.answering.answer import answer_question
from chat.evaluation.tasks import judge_version
from chat.models import GatePolicy, ShadowComparison
from chat.shadow.asking import ask_candidate
from embeddings.services.shadowing import change_shadow_share
from kb.models import Workspace
from tests.browser.conftest import violations
from tests.chat.candidates import CANDIDATES, TOPICS, furnish, label, ready

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(autouse=True)
def encoders(hash_encoder: None, settings: Settings) -> None:  # noqa: ARG001 - comes first
    settings.ENCODERS = CANDIDATES


def test_pages_fit_a_phone_and_are_accessible(page: Page, workspace: Workspace) -> None:
    label(workspace, furnish(workspace))
    version = change_shadow_share(ready(workspace, "broken"), share=0.5)
    judge_version(version.pk)
    for topic in TOPICS[:3]:
        answered = answer_question(f"where is the {topic} desk", workspace=workspace)
        assert ask_candidate(answered.trace, version)
    ShadowComparison.objects.update(overlap=0.2)
    policy = GatePolicy.objects.create(workspace=workspace)
    for path in (
        "gatepolicy/",
        "gatepolicy/add/",
        f"gatepolicy/{policy.pk}/change/",
        f"gatepolicy/version/{version.pk}/verdict/",
        f"gatepolicy/version/{version.pk}/shadow/",
    ):
        page.goto(f"/admin/chat/{path}")
        assert violations(page) == [], path
        page.set_viewport_size({"width": 390, "height": 844})
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, path
        page.set_viewport_size({"width": 1280, "height": 900})


def test_a_version_is_judged_again_from_the_keyboard(page: Page, workspace: Workspace) -> None:
    label(workspace, furnish(workspace))
    version = ready(workspace, "broken")
    judge_version(version.pk)
    page.goto(f"/admin/chat/gatepolicy/version/{version.pk}/verdict/")
    page.get_by_role("region", name="worst first").focus()
    button = page.get_by_role("button", name="Judge it again")
    for _ in range(5):
        page.keyboard.press("Tab")
        if button.evaluate("each => each === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Being judged")).to_be_visible()
    assert violations(page) == []
