"""What the shadow of a candidate showed so far."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Aggregate, Avg, Case, Count, F, FloatField, Q, Value, When

from chat.models import ShadowComparison
from embeddings.models import IndexVersion

SHOWN = 50
UNLIKE = ~Q(live_answered=F("candidate_answered")) | Q(same_top=False) | Q(overlap__lt=1)


class Median(Aggregate):
    """PostgreSQL's continuous median."""

    function = "percentile_cont"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


def _share(condition: Q) -> Avg:
    return Avg(Case(When(condition, then=Value(1.0)), default=Value(0.0)))


FIGURES: dict[str, Aggregate] = {
    "questions": Count("pk"),
    "agreement": _share(Q(same_top=True)),
    "overlap": Avg("overlap"),
    "live_answered": _share(Q(live_answered=True)),
    "candidate_answered": _share(Q(candidate_answered=True)),
    "only_live": Count("pk", filter=Q(live_answered=True, candidate_answered=False)),
    "only_candidate": Count("pk", filter=Q(live_answered=False, candidate_answered=True)),
    "live_confidence": Avg("live_confidence"),
    "candidate_confidence": Avg("candidate_confidence"),
    "live_ms": Median("live_ms"),
    "candidate_ms": Median("candidate_ms"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowSummary:
    """Shares over `questions`, from 0 to 1 (None: no question yet); `*_ms` are medians.

    `agreement` is the share with the same article in first place. `different` holds the
    questions on which the two versions part, the most telling first.
    """

    questions: int
    agreement: float | None
    overlap: float | None
    live_answered: float | None
    candidate_answered: float | None
    only_live: int
    only_candidate: int
    live_confidence: float | None
    candidate_confidence: float | None
    live_ms: float | None
    candidate_ms: float | None
    different: tuple[ShadowComparison, ...]
    different_count: int


def summarise_shadow(candidate: IndexVersion, *, beside: IndexVersion) -> ShadowSummary:
    """Of the questions that version `beside` answered. Three queries."""
    compared = ShadowComparison.objects.filter(candidate=candidate, live=beside)
    # Django takes a name that is a field's for the field: hence the line after it.
    found = compared.aggregate(**{f"{name}_": each for name, each in FIGURES.items()})
    figures = {name: found[f"{name}_"] for name in FIGURES}
    different = compared.filter(UNLIKE)
    chosen = different.most_different_first().select_related("trace")[:SHOWN]
    return ShadowSummary(**figures, different=tuple(chosen), different_count=different.count())
