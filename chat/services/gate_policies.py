"""What follows when a workspace's gate policy is changed."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from django.db import transaction

from chat.evaluation.gate_findings import Terms
from chat.evaluation.gate_opening import end_judgement
from chat.evaluation.tasks import nudge_judging
from chat.models import Judgement
from embeddings.models import IndexVersion, Verdict, VersionState
from kb.models import Workspace

POLICY_CHANGED = "The gate's policy was changed meanwhile."


def withdraw_verdicts(workspace_id: int, *, unless: Terms | None = None) -> int:
    """Verdicts by another policy open nothing any more; ready versions are judged anew.

    Those reached by the terms `unless` stay. How many were withdrawn. The workspace is held as
    in a cut-over and where a judging begins: none of them sees half of the change.
    """
    with transaction.atomic():
        Workspace.objects.select_for_update(no_key=True).filter(pk=workspace_id).first()
        for judgement in Judgement.objects.filter(version__workspace=workspace_id).unfinished():
            if not _by(judgement.policy, unless):
                end_judgement(judgement, problem=POLICY_CHANGED, again_in=timedelta(0))
        standing = Verdict.objects.standing().filter(version__workspace=workspace_id)
        old = [each.pk for each in standing if not _by(each.policy, unless)]
        Verdict.objects.filter(pk__in=old).update(withdrawn=True)
        ready = IndexVersion.objects.filter(workspace=workspace_id, state=VersionState.READY)
        for version_id in ready.values_list("pk", flat=True):
            transaction.on_commit(partial(nudge_judging, version_id), robust=True)
    return len(old)


def _by(policy: dict[str, object], terms: Terms | None) -> bool:
    return terms is not None and terms.as_json().items() <= policy.items()
