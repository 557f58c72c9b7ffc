"""The gate: may a candidate replace the live version, by questions with known answers?

Both versions are asked the same questions through the real pipeline, as two evaluation runs
that go on where a killed process left them. What they find, held against the workspace's
policy, becomes a Verdict; a cut-over reads nothing else.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import NoReturn

import structlog
from django.db import transaction
from django.utils import timezone

from chat.errors import CannotJudge
from chat.evaluation.continuing import continue_run
from chat.evaluation.gate_findings import Findings, Terms, find
from chat.evaluation.gate_opening import end_judgement, judged_beside, open_judgement, runs_of
from chat.evaluation.gate_questions import Basis, told_of
from chat.models import EvaluationRun, Judgement, QuestionOutcome, RunState
from embeddings.models import IndexVersion, Verdict
from kb.models import Article

log = structlog.get_logger(__name__)

TURN_SECONDS = 60.0
POLL_SECONDS = 0.5
PATIENCE_SECONDS = 120.0  # without any question getting asked
RETRY_AFTER = timedelta(minutes=10)
NOTHING_PUBLISHED = "No article is published here, so there is nothing that could get worse."


def judge(version: IndexVersion, *, anew: bool = False) -> Verdict:
    """The verdict on a ready (or standby) version beside the live one, asked for in this process.

    The one that there is, unless `anew`. What another process asks is waited for. Raises
    CannotJudge for a version in another state, for runs that failed or were cancelled, and
    when nothing gets on for long (the sweep tries again).
    """
    known = Verdict.objects.between(version, judged_beside(version)).first()
    if known and not anew:
        return known
    judgement = open_judgement(version)
    done, since = -1, time.monotonic()
    while (verdict := advance(judgement, seconds=TURN_SECONDS)) is None:
        runs = list(runs_of(judgement))
        if (now_done := sum(run.done for run in runs)) != done:
            done, since = now_done, time.monotonic()
        elif time.monotonic() - since > PATIENCE_SECONDS:
            reason = " ".join(filter(None, (run.error for run in runs)))
            raise CannotJudge(f"Judging version {version.number} does not get on. {reason}")
        else:
            time.sleep(POLL_SECONDS)
    return verdict


def advance(judgement: Judgement, *, seconds: float) -> Verdict | None:
    """Ask for about so long of each version; the verdict once both were asked everything.

    Raises CannotJudge when a run failed or was cancelled; the judgement is over then.
    """
    judgement.refresh_from_db()
    if judgement.finished_at:
        return _verdict_of(judgement)
    for run in runs_of(judgement).filter(state=RunState.RUNNING):
        continue_run(run.pk, seconds=seconds)
    runs = list(runs_of(judgement))
    _refuse_spoilt(judgement, runs)
    if any(run.state == RunState.RUNNING for run in runs):
        return None
    return _conclude(judgement, *(list(run.outcomes.all()) for run in runs))


def _verdict_of(judgement: Judgement) -> Verdict:
    if judgement.verdict is None:
        raise CannotJudge(judgement.problem)
    return judgement.verdict


def _refuse_spoilt(judgement: Judgement, runs: list[EvaluationRun]) -> None:
    if len(runs) < 2 and Basis.from_json(judgement.basis).asks:
        _give_up(judgement, "Its runs were deleted.")
    for run in runs:
        if run.state == RunState.CANCELLED:
            _give_up(judgement, f"Run {run.pk} was cancelled.")
        if run.state == RunState.FAILED:
            _give_up(judgement, f"Run {run.pk} failed: {run.error}", again_in=RETRY_AFTER)


def _give_up(judgement: Judgement, problem: str, again_in: timedelta | None = None) -> NoReturn:
    end_judgement(judgement, problem=problem, again_in=again_in)
    raise CannotJudge(problem)


def _conclude(
    judgement: Judgement,
    live: list[QuestionOutcome] | None = None,
    candidate: list[QuestionOutcome] | None = None,
) -> Verdict:
    """Written once, whoever gets here first."""
    findings = find(live or [], candidate or [], Terms.from_json(judgement.policy))
    with transaction.atomic():
        locked = Judgement.objects.select_for_update(of=("self",)).get(pk=judgement.pk)
        if locked.finished_at:
            return _verdict_of(locked)
        locked.verdict = _write_verdict(locked, findings, live or [])
        locked.finished_at = timezone.now()
        locked.save(update_fields=["verdict", "finished_at"])
    log.info("version_judged", version=judgement.version_id, allowed=locked.verdict.allowed)
    return locked.verdict


def _write_verdict(
    judgement: Judgement, findings: Findings, asked: list[QuestionOutcome]
) -> Verdict:
    basis = Basis.from_json(judgement.basis)
    nothing = not basis.asks and not _anything_published(judgement.version)
    return Verdict.objects.create(
        version=judgement.version,
        against=judgement.against,
        allowed=nothing or findings.allowed,
        summary=NOTHING_PUBLISHED if nothing else findings.summary(told_of(basis, asked)),
        differences=findings.as_json(),
        worst=findings.worst,
        policy=judgement.policy | {"asked": judgement.basis},
        runs=[run.pk for run in runs_of(judgement)],
    )


def _anything_published(version: IndexVersion) -> bool:
    return Article.objects.in_workspace(version.workspace).published().exists()
