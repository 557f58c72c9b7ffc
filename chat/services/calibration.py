"""A workspace's own confidence: fitted to a run's answers, put into use, taken out of it.

Whoever may judge answers may fit; as with a profile's threshold, who operates the index
decides what visitors get.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction

from chat.answering.confidence import COEFFICIENTS
from chat.answering.extractive import ExtractiveGenerator
from chat.evaluation.abstention import Judged, accepted_threshold, point_at, risk_curve
from chat.evaluation.calibrating import (
    Sample,
    cross_validate,
    curves_of,
    figures_of,
    fit_sample,
    sample_of,
)
from chat.models import Calibration, EvaluationRun, RunState
from kb.access import Caller, Permission, require
from kb.errors import Conflict, NotFound
from kb.models import Workspace

MIN_QUESTIONS = 50
MIN_OF_EACH = 15


def fit_calibration(caller: Caller, *, run: EvaluationRun) -> Calibration:
    """Fit to the answers of a finished run, and put it into use if it is at least as good.

    Good is the log-loss of five-fold cross-validation, against the shipped coefficients on
    the same questions. What is not put into use is stored with the reason. Raises Forbidden,
    NotFound (another workspace's run), and Conflict for a run that is not over or has too few
    answers: 50 that quote something, of them 15 right and 15 not.
    """
    require(caller, Permission.EVALUATE)
    sample = _sample_of(caller, run)
    shipped, fitted = sample.scored(COEFFICIENTS), cross_validate(sample)
    figures = _figures(run, shipped=shipped, fitted=fitted)
    reason = _why_not(caller, figures)
    with transaction.atomic():
        made = Calibration.objects.create(
            workspace=caller.workspace,
            run=run,
            encoder=run.encoder,
            fingerprint=run.fingerprint,
            generator=ExtractiveGenerator.name,
            coefficients={name: round(v, 6) for name, v in fit_sample(sample).items()},
            questions=int(sample.judged.quoted.sum()),
            right=int(sample.judged.right.sum()),
            auroc=figures["fitted"]["auroc_right"],
            calibration_error=figures["fitted"]["calibration_error"],
            figures=figures,
            reason=reason,
        )
        if not reason:
            _put_into_use(made)
    return made


def activate_calibration(caller: Caller, *, calibration: Calibration) -> Calibration:
    """From the next question on; the one before it is taken out of use. Raises Forbidden,
    NotFound."""
    require(caller, Permission.INDEX_OPERATE)
    with transaction.atomic():
        found = _access(caller, calibration)
        _put_into_use(found)
    return found


def deactivate_calibration(caller: Caller, *, calibration: Calibration) -> Calibration:
    """The shipped coefficients count from the next question on. Raises Forbidden, NotFound,
    and Conflict for one that is not in use."""
    require(caller, Permission.INDEX_OPERATE)
    with transaction.atomic():
        found = _access(caller, calibration)
        if not found.active:
            raise Conflict("This calibration is not in use.")
        found.active, found.reason = False, "Taken out of use by hand."
        found.save(update_fields=["active", "reason"])
    return found


def _access(caller: Caller, calibration: Calibration) -> Calibration:
    """The row as it is now; the workspace's calibrations stay as they are until the end."""
    Workspace.objects.select_for_update(no_key=True).get(pk=caller.workspace.pk)
    found = Calibration.objects.filter(workspace=caller.workspace, pk=calibration.pk).first()
    if found is None:
        raise NotFound("There is no such calibration.")
    return found


def _put_into_use(calibration: Calibration) -> None:
    """Inside a transaction; one activation of a workspace after the other."""
    Workspace.objects.select_for_update(no_key=True).get(pk=calibration.workspace_id)
    before = Calibration.objects.in_use(
        workspace_id=calibration.workspace_id,
        fingerprint=calibration.fingerprint,
        generator=calibration.generator,
    )
    others = before.exclude(pk=calibration.pk)
    others.update(active=False, reason=f"Replaced by calibration {calibration.pk}.")
    calibration.active, calibration.reason = True, ""
    calibration.save(update_fields=["active", "reason"])


def _sample_of(caller: Caller, run: EvaluationRun) -> Sample:
    if run.workspace_id != caller.workspace.pk:
        raise NotFound("There is no such run.")
    if run.state != RunState.DONE:
        raise Conflict("Only a run that is done can be fitted to; wait for it, or start another.")
    sample = sample_of(list(run.outcomes.all()))
    quoted, right = int(sample.judged.quoted.sum()), int(sample.judged.right.sum())
    if quoted < MIN_QUESTIONS or min(right, quoted - right) < MIN_OF_EACH:
        raise Conflict(
            f"This run has {quoted} answers, {right} right and {quoted - right} not. A fit needs "
            f"{MIN_QUESTIONS}, of them {MIN_OF_EACH} right and {MIN_OF_EACH} not: add questions "
            "to the set, answerable ones and some that nothing answers."
        )
    return sample


def _figures(run: EvaluationRun, *, shipped: Judged, fitted: Judged) -> dict[str, Any]:
    """Of both: measures and curves, what the run's own threshold does, and the suggested one."""
    threshold = float(run.settings.get("abstain_below", 0.0))
    return {
        name: {
            **figures_of(judged),
            **curves_of(judged),
            "profile": point_at(judged, threshold),
            "at_5_percent_wrong": _suggested(judged),
        }
        for name, judged in (("shipped", shipped), ("fitted", fitted))
    }


def _suggested(judged: Judged) -> dict[str, float | None]:
    """The threshold with the most answers of which at most 5 % are wrong; `share` is that of
    all questions answered then."""
    threshold = accepted_threshold(risk_curve(judged))
    answered = judged.scores >= threshold if threshold is not None else judged.quoted & False
    share = float((answered & judged.quoted).mean())
    return point_at(judged, threshold) | {"share": round(share, 4)}


def _why_not(caller: Caller, figures: dict[str, Any]) -> str:
    """Why a fit is not put into use; empty if it is."""
    ours, shipped = figures["fitted"]["log_loss"], figures["shipped"]["log_loss"]
    if ours > shipped:
        return (
            f"The shipped confidence is better on these questions: log-loss {shipped:.4f}, "
            f"of this fit {ours:.4f}."
        )
    if Permission.INDEX_OPERATE not in caller.permissions:
        return "Somebody who may operate the index has to put it into use."
    return ""
