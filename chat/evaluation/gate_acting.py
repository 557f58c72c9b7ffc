"""What follows from a verdict, and which versions still wait for one."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from chat.errors import CannotJudge
from chat.evaluation.gate import advance
from chat.evaluation.gate_opening import JUDGEABLE, judged_beside, open_judgement, runs_of
from chat.models import Judgement
from embeddings.errors import NeedsWaiver, NoLiveIndex
from embeddings.models import IndexVersion, Verdict, VersionState
from embeddings.services.cutting_over import cut_over
from embeddings.services.moving import WORKER
from kb.errors import DomainError

log = structlog.get_logger(__name__)

# Shown to all who may see the index: the titles of what is parked are not for all of them.
NEEDS_WAIVER = (
    "Some articles could not be embedded in it: mend and retry them, or cut over with a written "
    "waiver (--waive REASON) that leaves them behind."
)


def work_on(version: IndexVersion, *, seconds: float) -> bool:
    """Judge a candidate for about so long and do what follows; False if more can be done now.

    What another process asks is left to it. A judging that failed is not begun anew before
    its time.
    """
    try:
        live = judged_beside(version)
    except (CannotJudge, NoLiveIndex):
        return True
    judgement = Judgement.objects.filter(version=version, against=live).unfinished().first()
    verdict = Verdict.objects.between(version, live).first()
    if judgement:
        return _go_on(judgement, seconds=seconds)
    if verdict:
        act_on(verdict)
        return True
    return _kept_shut(version, live) or _go_on(open_judgement(version), seconds=seconds)


def _go_on(judgement: Judgement, *, seconds: float) -> bool:
    before = _progress(judgement)
    _note_work(judgement, timezone.now())
    try:
        verdict = advance(judgement, seconds=seconds)
    except CannotJudge as error:
        note_problem(judgement.version, f"It could not be judged: {error}")
        return True
    if verdict is None:
        stands_still = _progress(judgement) == before
        _note_work(judgement, None if stands_still else timezone.now())
        return stands_still
    act_on(verdict)
    return True


def act_on(verdict: Verdict) -> None:
    """Cut over where that was asked for and is allowed; else say on the version why not."""
    version = IndexVersion.objects.filter(pk=verdict.version_id, state=VersionState.READY).first()
    if version is None:
        return
    if not verdict.allowed:
        note_problem(version, f"The gate refused it. {verdict.summary}")
    elif version.cut_over_when_ready:
        _cut_over(version)
    else:
        note_problem(version, "")


def _cut_over(version: IndexVersion) -> None:
    """At once or not at all: no other work waits with it, and the sweep tries again."""
    try:
        cut_over(version, actor=WORKER, patience=0.0)
    except NeedsWaiver:
        note_problem(version, NEEDS_WAIVER)
    except DomainError as error:  # it cannot go live now, or its encoder cannot be used
        note_problem(version, str(error))
        log.warning("not_cut_over", version=version.pk, error=str(error))


def note_problem(version: IndexVersion, problem: str) -> None:
    """Shown with the version, as long as it is ready."""
    ready = IndexVersion.objects.filter(pk=version.pk, state=VersionState.READY)
    ready.exclude(problem=problem).update(problem=problem)


def versions_to_work_on() -> list[int]:
    """Of all workspaces those with something left to do: a verdict, or a cut-over.

    Others than ready ones are judged only where somebody asked for it.
    """
    asked = Judgement.objects.unfinished().values("version")
    wanted = Q(state=VersionState.READY) | Q(state__in=JUDGEABLE, pk__in=asked)
    versions = IndexVersion.objects.filter(wanted).select_related("workspace")
    return [version.pk for version in versions if _has_work(version)]


def _has_work(version: IndexVersion) -> bool:
    live = IndexVersion.objects.live_in(version.workspace_id)
    if live is None:
        return False
    unfinished = Judgement.objects.between(version, live).unfinished().first()
    if unfinished:
        return not _is_worked_on(unfinished)
    verdict = Verdict.objects.between(version, live).first()
    if verdict is None:
        return not _kept_shut(version, live)
    waits = version.state == VersionState.READY and version.cut_over_when_ready
    return verdict.allowed and waits


def _is_worked_on(judgement: Judgement) -> bool:
    """By who holds a run's lease, or whose message for more is on its way."""
    now, at = timezone.now(), judgement.worked_at
    if at is not None and now - at < timedelta(seconds=settings.SWEEP_SECONDS):
        return True
    return runs_of(judgement).filter(lease_until__gt=now).exists()


def why_over(version: IndexVersion, live: IndexVersion) -> str:
    """Why the last judging of this pair ended for good; empty where a verdict may still come."""
    newest = Judgement.objects.between(version, live).first()
    if newest is None or newest.finished_at is None or newest.verdict_id or newest.retry_at:
        return ""
    return newest.problem


def _kept_shut(version: IndexVersion, live: IndexVersion) -> bool:
    newest = Judgement.objects.between(version, live).first()
    if newest is None or newest.finished_at is None or newest.verdict_id:
        return False
    return newest.retry_at is None or newest.retry_at > timezone.now()


def _note_work(judgement: Judgement, at: datetime | None) -> None:
    """Whoever works on it now sends the next message; None: nobody will."""
    Judgement.objects.filter(pk=judgement.pk).unfinished().update(worked_at=at)


def _progress(judgement: Judgement) -> int:
    return sum(runs_of(judgement).values_list("done", flat=True))
