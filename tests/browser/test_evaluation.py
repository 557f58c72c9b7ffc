"""Judging answers as a person does it: a set made, filled, asked, read and compared."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from chat.evaluation.continuing import continue_run
from chat.models import EvaluationRun
from chat.services.evaluations import start_run
from chat.services.question_imports import import_questions
from chat.services.question_sets import create_question_set
from embeddings.filling.loop import embed_pending
from kb.models import Workspace
from tests.admin.test_evaluation import lines
from tests.browser.conftest import violations
from tests.factories import live, make_article

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def furnish(workspace: Workspace) -> None:
    """Something to ask about."""
    body = "A refund takes five days."
    make_article(workspace, title="Refunds", body=body, external_id="refunds")
    make_article(workspace, title="Opening hours", body="We open at nine. " * 400)
    embed_pending(live(workspace))


def test_a_set_is_made_imported_asked_and_its_figures_appear(
    page: Page,
    workspace: Workspace,
    tmp_path: Path,
) -> None:
    furnish(workspace)
    file = tmp_path / "questions.jsonl"
    file.write_bytes(lines())
    page.goto("/admin/chat/questionset/add/")
    page.fill("[name=name]", "Support desk")
    if page.locator("select[name=workspace]").count():
        page.select_option("select[name=workspace]", str(workspace.pk), force=True)
    page.click("[name=_save]")
    page.set_input_files("input[type=file]", str(file))
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("13 questions stored.")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("button", name="Start a run").click()
    expect(page.get_by_text("0 of 13 questions asked")).to_be_visible()
    assert violations(page) == []
    run = EvaluationRun.objects.get()
    assert continue_run(run.pk, seconds=60)
    page.get_by_role("link", name="Show the figures").click()
    expect(page.get_by_role("img", name="Recall by depth")).to_be_visible()


def test_pages_fit_a_phone_and_are_accessible(
    page: Page,
    workspace: Workspace,
) -> None:
    furnish(workspace)
    made = create_question_set(workspace, name="Support desk")
    import_questions(made, name="q.jsonl", data=lines())
    runs = [start_run(made, answers=True) for _ in range(2)]
    for run in runs:
        assert continue_run(run.pk, seconds=60)
    first, second = (run.pk for run in runs)
    for path in (
        "questionset/",
        "questionset/add/",
        f"questionset/{made.pk}/change/",
        "labelledquestion/",
        f"labelledquestion/{made.questions.earliest('pk').pk}/change/",
        "evaluationrun/",
        f"evaluationrun/{first}/change/",
        f"evaluationrun/{first}/compare/?with={second}",
    ):
        page.goto(f"/admin/chat/{path}")
        assert violations(page) == [], path
        page.set_viewport_size({"width": 390, "height": 844})
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, path
        page.set_viewport_size({"width": 1280, "height": 900})
