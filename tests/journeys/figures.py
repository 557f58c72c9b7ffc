"""What a journey came to, in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.journeys.editing import Log
from tests.journeys.judging import excused, failed
from tests.journeys.load import Asked
from tests.journeys.switching import Switch


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Of the answered questions of one phase, in milliseconds."""

    phase: str
    questions: int
    seconds: float
    p50: float
    p95: float
    most: float

    def __str__(self) -> str:
        return (
            f"{self.phase:12} {self.questions:6} questions in {self.seconds:6.1f} s:"
            f" p50 {self.p50:5.0f} ms, p95 {self.p95:5.0f} ms, most {self.most:6.0f} ms"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """For the note, and for whoever looks on with `-s`."""

    articles: int
    questions: int
    excused: int
    failed: int
    kills: int
    kills_at_work: int
    away_seconds: float
    writes: dict[str, int]
    refused_writes: int
    latencies: tuple[Latency, ...]

    def __str__(self) -> str:
        writes = ", ".join(f"{count} {kind}" for kind, count in self.writes.items())
        lines = (
            f"{self.articles} articles; {writes}; {self.refused_writes} writes tried again",
            f"{self.questions} questions: {self.failed} failed, {self.excused} told 503",
            f"PostgreSQL was away for {self.away_seconds:.1f} s",
            f"{self.kills} workers killed, {self.kills_at_work} of them at work",
        )
        return "\n".join([*lines, *map(str, self.latencies)])


def figures(switch: Switch, asked: Sequence[Asked], log: Log) -> Figures:
    """Of a finished journey."""
    return Figures(
        articles=switch.size.articles,
        questions=len(asked),
        excused=len(excused(asked, away=switch.away)),
        failed=len(failed(asked, away=switch.away)),
        kills=switch.kills,
        kills_at_work=switch.kills_at_work,
        away_seconds=switch.away[1] - switch.away[0],
        writes=dict(sorted(log.done.items())),
        refused_writes=len(log.refused),
        latencies=tuple(_latencies(switch, asked)),
    )


def _latencies(switch: Switch, asked: Sequence[Asked]) -> list[Latency]:
    ends = [began for _, began in switch.phases[1:]] + [max(each.ended for each in asked)]
    made = []
    for (phase, began), end in zip(switch.phases, ends, strict=True):
        spans = [each.seconds for each in asked if each.answered and began <= each.began < end]
        if spans:
            p50, p95, most = (1000 * np.percentile(spans, [50, 95, 100])).tolist()
            made.append(
                Latency(
                    phase=phase,
                    questions=len(spans),
                    seconds=end - began,
                    p50=p50,
                    p95=p95,
                    most=most,
                )
            )
    return made
