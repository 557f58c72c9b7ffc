"""How sure an answer is: by the workspace's own calibration, or by the shipped one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chat.answering.confidence import COEFFICIENTS, confidence
from chat.models import Calibration
from chat.retrieval.results import Retrieval

SHIPPED = "shipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certainty:
    """A probability, and the calibration that gave it: its id, or `shipped`."""

    confidence: float
    calibration: str


def certainty_of(
    evidence: Mapping[str, float], *, retrieval: Retrieval, generator: str
) -> Certainty:
    """One query: it counts from the next question on when another is activated."""
    own = Calibration.objects.in_use(
        workspace_id=retrieval.scope.workspace_id,
        fingerprint=retrieval.index.fingerprint,
        generator=generator,
    ).first()
    if own is None or not own.fits(evidence):
        return Certainty(confidence=confidence(evidence, COEFFICIENTS), calibration=SHIPPED)
    return Certainty(confidence=confidence(evidence, own.coefficients), calibration=str(own.pk))
