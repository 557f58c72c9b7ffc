"""Where a judging begins: the same questions for two versions, as two runs."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from chat.errors import CannotJudge
from chat.evaluation.gate_findings import Terms
from chat.evaluation.gate_questions import Basis, choose_basis
from chat.evaluation.recording import open_run
from chat.models import EvaluationRun, Judgement, RunState
from chat.models.gate import gate_policy_of
from chat.retrieval.settings import PipelineSettings, load_profile
from embeddings.live import live_version
from embeddings.models import IndexVersion, VersionState
from kb.models import Workspace

JUDGEABLE = (VersionState.READY, VersionState.STANDBY)


def judged_beside(version: IndexVersion) -> IndexVersion:
    """The live version that a candidate would replace. Raises CannotJudge, NoLiveIndex."""
    state = IndexVersion.objects.filter(pk=version.pk).values_list("state", flat=True).first()
    if state not in JUDGEABLE:
        name = VersionState(state).label.lower() if state else "gone"
        raise CannotJudge(
            f"Version {version.number} is {name}: only one that is ready, or stands by, can be "
            "judged, since what is missing elsewhere would be held against it."
        )
    return live_version(version.workspace)


def open_judgement(version: IndexVersion) -> Judgement:
    """The judging that is going on, or a new one with its runs. Raises CannotJudge."""
    live = judged_beside(version)
    with transaction.atomic():
        Workspace.objects.select_for_update(no_key=True).get(pk=version.workspace_id)
        policy = gate_policy_of(version.workspace)
        basis, profile = choose_basis(policy), load_profile(version.workspace)
        IndexVersion.objects.select_for_update(no_key=True).get(pk=version.pk)
        running = Judgement.objects.filter(version=version).unfinished().first()
        if running and running.against_id == live.pk:
            return running
        if running:
            end_judgement(
                running,
                problem=f"Version {live.number} went live meanwhile.",
                again_in=timedelta(0),  # should the one that was live be so again
            )
        judgement = Judgement(
            version=version,
            against=live,
            policy=Terms.of(policy).as_json(),
            basis=basis.as_json(),
        )
        if basis.asks:
            judgement.live_run = _open_run(judgement, live, basis, profile)
            judgement.candidate_run = _open_run(judgement, version, basis, profile)
        judgement.save()
    return judgement


def runs_of(judgement: Judgement) -> QuerySet[EvaluationRun]:
    """Read anew: the live version's first."""
    known = [judgement.live_run_id, judgement.candidate_run_id]
    return EvaluationRun.objects.filter(pk__in=filter(None, known)).order_by("pk")


def end_judgement(judgement: Judgement, *, problem: str, again_in: timedelta | None = None) -> None:
    """Without a verdict; what still runs is stopped. `again_in` None: not by itself."""
    now = timezone.now()
    with transaction.atomic():
        runs_of(judgement).filter(state=RunState.RUNNING).update(
            state=RunState.CANCELLED, finished_at=now, lease=None, lease_until=None
        )
        Judgement.objects.filter(pk=judgement.pk).unfinished().update(
            finished_at=now, problem=problem, retry_at=None if again_in is None else now + again_in
        )


def _open_run(
    judgement: Judgement, asked: IndexVersion, basis: Basis, profile: PipelineSettings
) -> EvaluationRun:
    return open_run(
        asked.workspace,
        dataset=f"Gate of version {judgement.version.number} beside {judgement.against.number}",
        profile=profile,
        version=asked,
        options={"answers": False, "gate": basis.as_json()},
    )
