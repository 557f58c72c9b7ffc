"""Runs as rows: questions are asked, outcomes stored as they come, figures at the end.

The rows say what is left: a question with an outcome is not asked again, so a run whose
process was killed goes on where it stopped. Whoever works on a run holds its lease, and
stores nothing once the lease is lost or the run was cancelled.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from chat.evaluation.code_version import code_version
from chat.evaluation.questions import AskedQuestion
from chat.evaluation.report import RunReport, report_of
from chat.evaluation.run import Asker, evaluate
from chat.evaluation.shelves import shelves_of
from chat.models import EvaluationRun, QuestionOutcome, QuestionSet, RunState
from chat.retrieval.settings import PipelineSettings
from embeddings.models import IndexVersion
from kb.models import Workspace

log = structlog.get_logger(__name__)

STORED_AT_ONCE = 8  # outcomes; what a killed worker loses at most
MAX_ATTEMPTS = 3  # without a single outcome in between

Progress = Callable[[int, int], None]


def open_run(
    workspace: Workspace,
    *,
    dataset: str,
    profile: PipelineSettings,
    version: IndexVersion,
    question_set: QuestionSet | None = None,
    options: dict[str, Any] | None = None,
    claimed: bool = False,
) -> EvaluationRun:
    """A run that nobody has begun; all that decides its figures is written down in it.

    With `claimed` its lease is ours from the first moment on, and no worker takes it up.
    """
    held = {"lease": uuid.uuid4(), "lease_until": _lease_end(), "attempts": 1}
    return EvaluationRun.objects.create(
        workspace=workspace,
        question_set=question_set,
        dataset=dataset,
        index_version_id=version.pk,
        index_version_number=version.number,
        encoder=version.encoder,
        fingerprint=version.fingerprint,
        profile=profile.name,
        settings=profile.as_json(),
        options=options or {},
        git_version=code_version(),
        **(held if claimed else {}),
    )


def claim_run(run_id: int) -> EvaluationRun | None:
    """The run with a lease of our own; None if it is over or somebody else works on it.

    One that was claimed several times and never got anywhere is failed instead.
    """
    with transaction.atomic():
        free = EvaluationRun.objects.left_alone(timezone.now()).filter(pk=run_id)
        run = free.select_for_update(skip_locked=True, of=("self",)).first()
        if run is None:
            return None
        if run.attempts >= MAX_ATTEMPTS:
            fail_run(run, reason=run.error or "The process died each time it worked on this run.")
            return None
        run.lease, run.lease_until, run.attempts = uuid.uuid4(), _lease_end(), run.attempts + 1
        run.save(update_fields=["lease", "lease_until", "attempts"])
    return run


def record(
    run: EvaluationRun,
    questions: Sequence[AskedQuestion],
    asker: Asker,
    *,
    seconds: float | None = None,
    on_progress: Progress | None = None,
) -> bool:
    """Ask what is left of a claimed run, for `seconds` at most; True when the run is over.

    It is over too when it was cancelled meanwhile or another process holds its lease. Raises
    what `retrieve` and the generator raise; outcomes until then are stored.
    """
    known = set(run.outcomes.values_list("key", flat=True))
    left = [question for question in questions if question.key not in known]
    if not _holds(run, total=len(known) + len(left), done=len(known)):
        return True
    articles = {place.article for question in left for place in question.places}
    outcomes = evaluate(left, asker, shelves=shelves_of(articles, version=asker.version))
    until = None if seconds is None else time.monotonic() + seconds
    done = len(known)
    while batch := list(islice(outcomes, STORED_AT_ONCE)):
        if not _store(run, batch):
            return True
        done += len(batch)
        if on_progress:
            on_progress(done, len(known) + len(left))
        if until is not None and time.monotonic() >= until:
            break
    if done < len(known) + len(left):
        release_run(run)
        return False
    finish_run(run)
    return True


def finish_run(run: EvaluationRun) -> RunReport:
    """The figures from the stored outcomes."""
    threshold = float(run.settings.get("abstain_below", 0.0))
    report = report_of(list(run.outcomes.all()), threshold=threshold)
    _end(
        run,
        RunState.DONE,
        measures=report.measures,
        legs=report.legs,
        groups=report.groups,
        latency=report.latency,
        abstention=report.abstention,
        error="",
    )
    return report


def fail_run(run: EvaluationRun, *, reason: str) -> None:
    """It stays with its outcomes and the reason."""
    log.warning("evaluation_failed", run=run.pk, reason=reason)
    _end(run, RunState.FAILED, error=reason)


def release_run(run: EvaluationRun, *, reason: str = "") -> None:
    """Let another process go on; `reason` says what it waits for, which is no failed attempt."""
    _mine(run).update(lease=None, lease_until=None, error=reason, attempts=0)


def _holds(run: EvaluationRun, **values: Any) -> bool:
    """Renew the lease and write `values`; False once it is not ours."""
    return bool(_mine(run).update(lease_until=_lease_end(), **values))


def _mine(run: EvaluationRun) -> QuerySet[EvaluationRun]:
    """The run's row, as long as its lease is ours and nobody has ended it."""
    return EvaluationRun.objects.filter(pk=run.pk, lease=run.lease, state=RunState.RUNNING)


def _store(run: EvaluationRun, outcomes: Sequence[QuestionOutcome]) -> bool:
    for outcome in outcomes:
        outcome.run = run
    with transaction.atomic():
        held = _holds(run, done=F("done") + len(outcomes), attempts=0, error="")
        if held:
            QuestionOutcome.objects.bulk_create(outcomes)
    return held


def _end(run: EvaluationRun, state: RunState, **values: Any) -> None:
    values |= {"state": state, "finished_at": timezone.now(), "lease": None, "lease_until": None}
    if _mine(run).update(**values):
        for name, value in values.items():
            setattr(run, name, value)


def _lease_end() -> datetime:
    return timezone.now() + timedelta(seconds=settings.EMBED_LEASE_SECONDS)
