"""What follows from a verdict, and which versions still wait for one."""

from __future__ import annotations

import structlog
from django.utils import timezone

from chat.errors import CannotJudge
from chat.evaluation.gate import advance
from chat.evaluation.gate_opening import judged_beside, open_judgement, runs_of
from chat.models import Judgement
from embeddings.errors import GateRefused, MoveRefused, NoLiveIndex, NotReadyToServe
from embeddings.models import IndexVersion, Verdict, VersionState
from embeddings.services.cutting_over import cut_over
from embeddings.services.moving import WORKER

log = structlog.get_logger(__name__)

# For processes to warm up and for the last edits; the sweep tries again later.
PATIENCE_SECONDS = 10.0


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
    try:
        verdict = advance(judgement, seconds=seconds)
    except CannotJudge as error:
        note_problem(judgement.version, f"It could not be judged: {error}")
        return True
    if verdict is None:
        return _progress(judgement) == before
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
    try:
        cut_over(version, actor=WORKER, patience=PATIENCE_SECONDS)
    except (NotReadyToServe, GateRefused, MoveRefused, NoLiveIndex) as error:
        note_problem(version, str(error))
        log.warning("not_cut_over", version=version.pk, error=str(error))


def note_problem(version: IndexVersion, problem: str) -> None:
    """Shown with the version, as long as it is ready."""
    ready = IndexVersion.objects.filter(pk=version.pk, state=VersionState.READY)
    ready.exclude(problem=problem).update(problem=problem)


def versions_to_work_on() -> list[int]:
    """Ready versions of all workspaces with something left to do: a verdict, or a cut-over."""
    ready = IndexVersion.objects.filter(state=VersionState.READY).select_related("workspace")
    return [version.pk for version in ready if _has_work(version)]


def _has_work(version: IndexVersion) -> bool:
    live = IndexVersion.objects.live().filter(workspace=version.workspace_id).first()
    if live is None:
        return False
    verdict = Verdict.objects.between(version, live).first()
    if verdict is None:
        return not _kept_shut(version, live)
    unfinished = Judgement.objects.between(version, live).unfinished().exists()
    return unfinished or (verdict.allowed and version.cut_over_when_ready)


def _kept_shut(version: IndexVersion, live: IndexVersion) -> bool:
    newest = Judgement.objects.between(version, live).first()
    if newest is None or newest.finished_at is None or newest.verdict_id:
        return False
    return newest.retry_at is None or newest.retry_at > timezone.now()


def _progress(judgement: Judgement) -> int:
    return sum(runs_of(judgement).values_list("done", flat=True))
