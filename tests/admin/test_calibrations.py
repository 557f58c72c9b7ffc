"""The confidence in the admin: fitted from a run, read, put into use; each for its tenant."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from chat.models import Calibration
from chat.services.calibration import fit_calibration
from kb.access import caller_for_system
from kb.models import Workspace
from tests.admin.conftest import SignIn
from tests.chat.fitting import as_shipped, finished_run, judged_outcomes


def at(name: str, *args: object) -> str:
    return reverse(f"admin:chat_{name}", args=args)


def fitted(workspace: Workspace) -> Calibration:
    run = finished_run(workspace, judged_outcomes(120))
    return fit_calibration(caller_for_system(workspace), run=run)


def told(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def test_a_run_is_fitted_to_and_its_calibration_read(workspace: Workspace, sign_in: SignIn) -> None:
    owner = sign_in(workspace)
    run = finished_run(workspace, judged_outcomes(120))
    assert "Fit the confidence from this run" in told(owner, at("evaluationrun_change", run.pk))
    assert owner.get(at("evaluationrun_fit", run.pk)).status_code == 405
    response = owner.post(at("evaluationrun_fit", run.pk), follow=True)
    made = Calibration.objects.get()
    assert response.redirect_chain == [(at("calibration_change", made.pk), 302)]
    html = response.content.decode()
    for words in (
        "Fitted, and in use from now on.", "In use", f"run {made.run_id}", "Suggested threshold",
        "Confidence and truth", "Risk and coverage, in figures", "Log-loss",
        "Unanswerable declined", "Take out of use", f"{made.auroc:.3f}",
    ):  # fmt: skip
        assert words in html
    assert html.count('role="img"') == 2
    listed = told(owner, at("calibration_changelist"))
    assert "in use" in listed
    assert "Support · default · hash" in listed


def test_the_switch(workspace: Workspace, sign_in: SignIn) -> None:
    owner, made = sign_in(workspace), fitted(workspace)
    for name, active in (("deactivate", False), ("activate", True)):
        assert owner.get(at(f"calibration_{name}", made.pk)).status_code == 405
        owner.post(at(f"calibration_{name}", made.pk))
        assert Calibration.objects.get().active is active
    owner.post(at("calibration_deactivate", made.pk))
    again = owner.post(at("calibration_deactivate", made.pk), follow=True).content.decode()
    assert "not in use" in again
    assert "Taken out of use by hand." in again
    assert "Put into use" in again
    assert made.run
    made.run.delete()
    assert "the run is gone" in told(owner, at("calibration_change", made.pk))
    owner.post(at("calibration_delete", made.pk), {"post": "yes"})
    assert not Calibration.objects.exists()


def test_a_fit_that_is_not_used_says_why(workspace: Workspace, sign_in: SignIn) -> None:
    owner = sign_in(workspace)
    worse = finished_run(workspace, judged_outcomes(60, as_shipped, seed=3))
    html = owner.post(at("evaluationrun_fit", worse.pk), follow=True).content.decode()
    assert "Fitted, but not in use. The shipped confidence is better" in html
    few = finished_run(workspace, judged_outcomes(20))
    html = owner.post(at("evaluationrun_fit", few.pk), follow=True).content.decode()
    assert "This run has 20 answers" in html
    assert Calibration.objects.count() == 1


@pytest.mark.parametrize("role", ["owner", "operator", "reviewer", "analyst", "editor"])
def test_who_fits_and_who_puts_into_use(workspace: Workspace, sign_in: SignIn, role: str) -> None:
    client, run = sign_in(workspace, role), finished_run(workspace, judged_outcomes(120))
    client.post(at("evaluationrun_fit", run.pk))
    judges, operates = role != "editor", role in {"owner", "operator"}
    assert Calibration.objects.filter(active=operates).exists() == judges
    made = Calibration.objects.first() or fitted(workspace)
    active = made.active
    response = client.post(at(f"calibration_{'deactivate' if active else 'activate'}", made.pk))
    assert response.status_code == (302 if operates else 403 if judges else 404)
    made.refresh_from_db()
    assert (made.active != active) == operates
    if judges:
        page = told(client, at("calibration_change", made.pk))
        assert ("Put into use" in page) == operates


def test_nothing_of_another_tenant_is_seen_or_changed(
    workspace: Workspace, foreign: Workspace, sign_in: SignIn
) -> None:
    client, theirs = sign_in(workspace), fitted(foreign)
    assert client.post(at("evaluationrun_fit", theirs.run_id)).status_code == 404
    for name in ("activate", "deactivate"):
        assert client.post(at(f"calibration_{name}", theirs.pk)).status_code == 404
    assert client.get(at("calibration_change", theirs.pk)).status_code == 302
    theirs.refresh_from_db()
    assert (Calibration.objects.count(), theirs.active) == (1, True)


def test_the_list_costs_the_same_however_many_there_are(
    workspace: Workspace, sign_in: SignIn
) -> None:
    owner = sign_in(workspace)
    fitted(workspace)
    page = at("calibration_changelist")

    def queries() -> int:
        told(owner, page)
        with CaptureQueriesContext(connection) as captured:
            told(owner, page)
        return len(captured)

    before = queries()
    for _ in range(9):
        fitted(workspace)
    assert queries() == before
