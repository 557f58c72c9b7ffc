"""The confidence as a person fits it: from a run's page to a calibration in use."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from chat.models import Calibration
from kb.models import Workspace
from tests.browser.conftest import violations
from tests.chat.fitting import finished_run, judged_outcomes

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_confidence_is_fitted_read_and_taken_out_of_use(
    page: Page,
    workspace: Workspace,
) -> None:
    run = finished_run(workspace, judged_outcomes(120))
    page.goto(f"/admin/chat/evaluationrun/{run.pk}/change/")
    assert violations(page) == []
    page.get_by_role("button", name="Fit the confidence").click()
    expect(page.get_by_role("img", name="Confidence and truth")).to_be_visible()
    expect(page.get_by_role("img", name="Risk and coverage")).to_be_visible()
    assert violations(page) == []
    made = Calibration.objects.get()
    for path in (f"calibration/{made.pk}/change/", "calibration/"):
        page.goto(f"/admin/chat/{path}")
        assert violations(page) == [], path
        page.set_viewport_size({"width": 390, "height": 844})
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, path
        page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"/admin/chat/calibration/{made.pk}/change/")
    page.get_by_role("button", name="Take out of use").click()
    expect(page.get_by_text("Taken out of use by hand.")).to_be_visible()
    expect(page.get_by_role("button", name="Put into use")).to_be_visible()
