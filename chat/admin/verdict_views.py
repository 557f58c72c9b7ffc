"""The verdict on an index version: what it rests on, question by question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from chat.admin.evaluation_page import MARKS, NAMES, NOTHING, share
from chat.admin.trace_page import LEG_NAMES
from chat.admin.version_pages import page_context, version_or_404
from chat.errors import CannotJudge
from chat.evaluation.gate_findings import VECTOR_LEGS, named
from chat.evaluation.gate_opening import JUDGEABLE, open_judgement, runs_of
from chat.evaluation.run import FUSED, legs_in_order
from chat.evaluation.tasks import nudge_judging
from chat.models import EvaluationRun, Judgement
from embeddings.errors import NoLiveIndex
from embeddings.models import IndexVersion, Verdict
from kb.access import Permission
from kb.admin.tables import Table

SHOWN_VERDICTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictPage:
    """A verdict as shown; `runs` are the live version's and the candidate's, if still there."""

    verdict: Verdict
    current: bool
    differences: Table
    worst: Table
    policy: tuple[tuple[str, str], ...]
    runs: tuple[EvaluationRun, ...]


def verdict_view(request: HttpRequest, pk: int) -> HttpResponse:
    """The newest verdict (`?verdict=ID`: an older one), and the judging that is going on."""
    version = version_or_404(request, pk, Permission.EVALUATE)
    verdicts = list(version.verdicts.select_related("against")[:SHOWN_VERDICTS])
    wanted = request.GET.get("verdict", "")
    chosen = next((each for each in verdicts if str(each.pk) == wanted), None)
    shown = chosen or (verdicts[0] if verdicts else None)
    newest = Judgement.objects.filter(version=version).first()
    context = page_context(request, version, "Verdict") | {
        "page": describe_verdict(shown) if shown else None,
        "others": [each for each in verdicts if each != shown],
        "judging": newest if newest and not newest.finished_at else None,
        "runs": runs_of(newest) if newest and not newest.finished_at else [],
        "failed": newest.problem if newest and newest.finished_at else "",
        "may_judge": version.state in JUDGEABLE,
    }
    return TemplateResponse(request, "chat/admin/verdict.html", context)


def judge_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask anew; a worker does it."""
    version = version_or_404(request, pk, Permission.EVALUATE)
    try:
        open_judgement(version)
    except (CannotJudge, NoLiveIndex) as error:
        messages.error(request, str(error))
    else:
        nudge_judging(version.pk)
        messages.success(request, "A worker asks the questions now.")
    return HttpResponseRedirect(reverse("admin:chat_verdict", args=[pk]))


def describe_verdict(verdict: Verdict) -> VerdictPage:
    """Two queries."""
    mine = EvaluationRun.objects.filter(workspace=verdict.version.workspace_id)
    return VerdictPage(
        verdict=verdict,
        current=_is_current(verdict),
        differences=_difference_table(verdict),
        worst=_worst_table(verdict),
        policy=tuple(_policy(verdict.policy)),
        runs=tuple(mine.filter(pk__in=verdict.runs).order_by("pk")),
    )


def _is_current(verdict: Verdict) -> bool:
    """Whether it would let its version pass, or stop it, today."""
    live = IndexVersion.objects.live().filter(pk=verdict.against_id)
    return live.exists() and Verdict.objects.standing().filter(pk=verdict.pk).exists()


def _difference_table(verdict: Verdict) -> Table:
    rankings = [FUSED, *legs_in_order(set(verdict.differences) - {FUSED})]
    rows = [(name, verdict.differences[name]) for name in rankings if name in verdict.differences]
    return Table(
        name=f"{_measure(verdict)}, this version minus version {verdict.against.number}",
        headings=(
            "Ranking",
            f"Version {verdict.against.number}",
            "This one",
            "Difference",
            "95 % interval",
            "Verdict",
            "Questions",
        ),
        rows=tuple(
            (
                LEG_NAMES.get(name, NAMES.get(name, name)),
                share(each["first"]),
                share(each["second"]),
                f"{each['difference']:+.4f}",
                f"{each['low']:+.4f} to {each['high']:+.4f}",
                each["verdict"],
                each["questions"],
            )
            for name, each in rows
        ),
        marks=tuple(MARKS.get(each["verdict"], "") for _, each in rows),
    )


def _worst_table(verdict: Verdict) -> Table:
    legs = [f"{name} by vectors" for name in VECTOR_LEGS.values()]
    return Table(
        name="Questions that fared worse, worst first",
        headings=("Question", _measure(verdict), "Rank of the right article", *legs),
        rows=tuple(
            (
                each["text"],
                _change(each),
                f"{each['live_rank'] or NOTHING} → {each['candidate_rank'] or NOTHING}",
                *(_change(each["legs"][leg]) for leg in VECTOR_LEGS),
            )
            for each in verdict.worst
            if "legs" in each
        ),
    )


def _change(values: Mapping[str, float]) -> str:
    return f"{share(values['live'])} → {share(values['candidate'])}"


def _measure(verdict: Verdict) -> str:
    return named(verdict.policy["measure"]) if "measure" in verdict.policy else "Measure"


def _policy(policy: Mapping[str, Any]) -> list[tuple[str, str]]:
    """As it was when the questions were asked."""
    if "measure" not in policy:
        return []
    return [
        ("Required", "yes" if policy["required"] else "no"),
        ("Measure", named(policy["measure"])),
        ("Margin", f"{policy['margin']:g}, {policy['confidence'] * 100:g} % confidence"),
        ("Margin of its vectors alone", f"{policy['leg_margin']:g}"),
        ("Least questions", str(policy["min_questions"])),
    ]
