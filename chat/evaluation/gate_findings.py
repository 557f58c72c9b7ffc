"""What two runs of the same questions say of a candidate, by a workspace's policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from chat.evaluation.comparison import Difference, differences, paired
from chat.evaluation.run import FUSED
from chat.models import GateMeasure, GatePolicy, QuestionOutcome
from chat.retrieval.legs import ARTICLE, PASSAGE

CONFIDENCE = 0.95  # of `comparison.bootstrap`
WORST = 25
NOTHING_COMPARED = (
    "Nothing could be compared: there is no question whose answer is known. Label questions that "
    "published articles answer."
)
VECTOR_LEGS = {PASSAGE: "Passages", ARTICLE: "Whole articles"}

Pair = tuple[QuestionOutcome, QuestionOutcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A policy's numbers, as they were when the judging began."""

    measure: str = GateMeasure.NDCG_10.value
    margin: float = 0.02
    leg_margin: float = 0.1
    min_questions: int = 30
    required: bool = True
    confidence: float = CONFIDENCE

    @classmethod
    def of(cls, policy: GatePolicy) -> Self:
        """What the row says."""
        names = [each.name for each in fields(cls) if each.name != "confidence"]
        return cls(**{name: getattr(policy, name) for name in names})

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """What `as_json` gave."""
        return cls(**stored)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """`differences` (candidate minus live) of the policy's measure by ranking, `fused` and the
    legs; `reasons` against the candidate; `worst` questions, worst first."""

    terms: Terms
    questions: int
    differences: dict[str, Difference]
    reasons: tuple[str, ...]
    worst: list[dict[str, Any]]

    @property
    def allowed(self) -> bool:
        """Whether the candidate may go live."""
        return not self.reasons or not self.terms.required

    def as_json(self) -> dict[str, Any]:
        """The differences as plain values."""
        return {
            ranking: {**asdict(each), "verdict": each.verdict}
            for ranking, each in self.differences.items()
        }

    def summary(self, basis: str) -> str:
        """In plain words; `basis` says what was asked."""
        words = [f"Asked: {basis}." if basis else "", self._figure(), *self.reasons]
        if not self.reasons:
            words.append(
                f"It is not worse than the live version by more than {self.terms.margin:g}."
            )
        elif not self.terms.required:
            words.append("The workspace's policy lets it pass all the same.")
        if not self.reasons and self.questions < self.terms.min_questions:
            words.append(f"There were fewer than {self.terms.min_questions} questions to ask.")
        return " ".join(filter(None, words))

    def _figure(self) -> str:
        fused = self.differences.get(FUSED)
        return f"{named(self.terms.measure)} {_interval(fused)}." if fused else ""


def find(
    live: Sequence[QuestionOutcome], candidate: Sequence[QuestionOutcome], terms: Terms
) -> Findings:
    """Over the questions that both were asked in the same words."""
    pairs = paired(live, candidate)
    measured = {
        each.measure: each
        for each in differences(pairs, lambda outcome: _values(outcome, terms.measure))
    }
    broken = [leg for leg in VECTOR_LEGS if leg in measured and _broken(measured[leg], terms)]
    return Findings(
        terms=terms,
        questions=len(pairs),
        differences=measured,
        reasons=tuple(_reasons(measured, broken, terms)),
        worst=_worst(pairs, terms.measure, legs=broken or list(VECTOR_LEGS), by_leg=bool(broken)),
    )


def named(measure: str) -> str:
    """As people write it."""
    return GateMeasure(measure).label


def _values(outcome: QuestionOutcome, measure: str) -> dict[str, float]:
    return {
        ranking: found[measure] for ranking, found in outcome.measures.items() if measure in found
    }


def _broken(leg: Difference, terms: Terms) -> bool:
    """Clearly worse, and by more than the margin: a few unlucky questions are no proof."""
    return leg.difference < -terms.leg_margin and leg.high < 0


def _reasons(measured: Mapping[str, Difference], broken: Sequence[str], terms: Terms) -> list[str]:
    fused = measured.get(FUSED)
    if fused is None:
        return [NOTHING_COMPARED]
    reasons = []
    if fused.low < -terms.margin:
        how = "It is worse" if fused.high < 0 else "It may be worse"
        more = "" if fused.high < 0 else " More questions would tell more exactly."
        reasons.append(f"{how} than the live version by more than {terms.margin:g}.{more}")
    reasons += [
        f"{VECTOR_LEGS[leg]} by vectors alone: {_interval(measured[leg])}. That is more than "
        f"{terms.leg_margin:g} worse, whatever the words still find: its vectors look broken."
        for leg in broken
    ]
    return reasons


def _interval(each: Difference) -> str:
    return (
        f"{each.first:.4f} live, {each.second:.4f} here; difference {each.difference:+.4f}, "
        f"{CONFIDENCE * 100:g} % interval {each.low:+.4f} to {each.high:+.4f}"
    )


def _worst(
    pairs: Sequence[Pair], measure: str, *, legs: Sequence[str], by_leg: bool
) -> list[dict[str, Any]]:
    """Where the fused ranking (`by_leg`: the legs) lost most; then by the other."""
    rows = [_row(pair, measure) for pair in pairs]

    def lost(row: dict[str, Any]) -> tuple[float, float]:
        fused = row["difference"]
        leg = min(
            (row["legs"][name]["difference"] for name in legs if name in row["legs"]), default=0
        )
        return (leg, fused) if by_leg else (fused, leg)

    worse = [row for row in rows if min(lost(row)) < 0]
    return sorted(worse, key=lost)[:WORST]


def _row(pair: Pair, measure: str) -> dict[str, Any]:
    live, candidate = (_values(each, measure) for each in pair)
    return {
        "key": pair[0].key,
        "text": pair[0].text,
        **_change(live.get(FUSED, 0.0), candidate.get(FUSED, 0.0)),
        "live_rank": pair[0].rank,
        "candidate_rank": pair[1].rank,
        "legs": {leg: _change(live.get(leg, 0.0), candidate.get(leg, 0.0)) for leg in VECTOR_LEGS},
    }


def _change(live: float, candidate: float) -> dict[str, float]:
    return {
        "live": round(live, 4),
        "candidate": round(candidate, 4),
        "difference": round(candidate - live, 4),
    }
