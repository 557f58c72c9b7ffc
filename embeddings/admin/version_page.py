"""Everything that a version's page says, as plain values; each part can be asked for alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zlib import crc32

from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from embeddings.admin.figures import NOTHING, about, told
from embeddings.admin.version_plots import plots_of
from embeddings.hnsw import KINDS, IndexState, VectorIndex, vector_indexes
from embeddings.lifecycle import STORED, VersionState
from embeddings.models import IndexEntry, IndexVersion, Verdict
from embeddings.watching.progress import VersionProgress, version_progress
from embeddings.watching.verdicts import latest_verdict
from embeddings.watching.waits import FOR_A_PERSON, WaitKind
from kb.admin.plots import Plot
from kb.admin.tables import Table

CANDIDATES = (VersionState.READY, VersionState.STANDBY)
SHOWN_PARKED = 20
SHOWN_EVENTS = 100
SHOWN_WORST = 5
DOTS = {
    VersionState.BUILDING: "ub-info ub-pulse",
    VersionState.PAUSED: "ub-warn",
    VersionState.FAILED: "ub-bad",
    VersionState.READY: "ub-warn",
    VersionState.LIVE: "ub-good",
}
# What this page says itself, or has a button for.
WAITS = {
    WaitKind.PAUSED: "",
    WaitKind.FAILED: "",
    WaitKind.REFUSED: "The gate refused it; see the verdict below.",
    WaitKind.PARKED: "Some articles could not be embedded; see below.",
    WaitKind.CUT_OVER: "Nothing stands in the way of a cut-over.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a version is now. `spoken` changes rarely, for who is read to."""

    version: IndexVersion
    progress: VersionProgress
    dot: str
    figures: tuple[tuple[str, str], ...]
    waits_for: str
    builds: tuple[tuple[str, int], ...]
    settled: bool

    @property
    def stored(self) -> bool:
        """Whether there is anything to count."""
        return self.version.state in STORED

    @property
    def done_of_total(self) -> str:
        """In words."""
        return f"{self.progress.done:,} of {self.progress.total:,} articles embedded"

    @property
    def since(self) -> str:
        """How long it has been in its state."""
        return about((timezone.now() - self.version.state_since).total_seconds())

    @property
    def spoken(self) -> str:
        """By the tenth, so that nobody is told something every two seconds."""
        label = self.version.get_state_display()
        if self.version.state != VersionState.BUILDING:
            return f"{label}."
        return f"{label}: {self.progress.percent // 10 * 10:.0f} % embedded."


def standing_of(version: IndexVersion) -> Standing:
    """As of this moment."""
    progress = version_progress(version)
    return Standing(
        version=version,
        progress=progress,
        dot=DOTS.get(VersionState(version.state), ""),
        figures=tuple(_figures(progress)) if version.state in STORED else (),
        waits_for=WAITS.get(WaitKind(progress.waiting_kind), progress.waits_for),
        builds=tuple(_builds(version)),
        settled=_settled(version, progress),
    )


def part_key(html: str) -> str:
    """Changes with what is shown."""
    return f"{crc32(html.encode()):x}"


def plots_for(standing: Standing) -> tuple[Plot, ...]:
    """How the build went."""
    return plots_of(standing.version, total=standing.progress.total)


def judged(version: IndexVersion) -> dict[str, Any]:
    """The newest verdict, and whether the one beside today's live version lets it pass."""
    verdict = Verdict.objects.filter(version=version).select_related("against").first()
    current = latest_verdict(version)
    return {
        "verdict": verdict,
        "allowed": bool(current and current.allowed),
        "outdated": version.state in CANDIDATES and verdict is not None and verdict != current,
        "worst": verdict.worst[:SHOWN_WORST] if verdict else [],
        "verdict_url": link_to("chat_verdict", version.pk),
        "shadow_url": link_to("chat_shadow", version.pk),
    }


def parked_of(version: IndexVersion) -> dict[str, Any]:
    """The first of those given up, and how many they are."""
    parked = IndexEntry.objects.filter(index_version=version).current().parked()
    count = parked.count()
    return {
        "parked": parked.select_related("revision").order_by("pk")[:SHOWN_PARKED],
        "parked_count": count,
        "parked_more": max(0, count - SHOWN_PARKED),
    }


def history_of(version: IndexVersion) -> Table:
    """Every move, the newest first."""
    events = version.events.latest_first()
    return Table(
        name="History",
        headings=("When (UTC)", "What", "Who", "Why", "More"),
        rows=tuple(
            (
                f"{each.created_at:%-d %b %Y, %H:%M:%S}",
                each.get_move_display(),
                each.actor,
                each.reason or NOTHING,
                told(each.details) or NOTHING,
            )
            for each in events[:SHOWN_EVENTS]
        ),
    )


def facts_of(version: IndexVersion) -> tuple[tuple[str, str], ...]:
    """What it was made with, and how its bulk work may run."""
    limit = version.tokens_per_second
    facts = {
        "Encoder": version.encoder,
        "Fingerprint": version.fingerprint,
        "Dimension": f"{version.dimension:,}",
        "Strategy": version.get_strategy_display(),
        "Made": _moment(version.created_at),
        "Live since": _moment(version.live_since),
        "Live until": _moment(version.live_until),
        "Speed limit": f"{limit:,} tokens per second" if limit else "none",
        "Hours of bulk work": _night(version),
        "Derived from": f"version {version.derived_from.number}" if version.derived_from else "",
        "Asked beside the live version": _shadow(version),
    }
    return tuple((name, value) for name, value in facts.items() if value)


def link_to(name: str, pk: int) -> str:
    """A page of the admin; empty where there is none."""
    try:
        return reverse(f"admin:{name}", args=[pk])
    except NoReverseMatch:
        return ""


def _moment(at: datetime | None) -> str:
    return f"{at:%-d %b %Y, %H:%M} UTC" if at else ""


def _shadow(version: IndexVersion) -> str:
    share = version.shadow_share
    return f"{100 * share:g} % of the questions" if share else ""


def _night(version: IndexVersion) -> str:
    if version.night_from is None or version.night_until is None:
        return "all day"
    return f"{version.night_from:%H:%M} to {version.night_until:%H:%M} UTC"


def _figures(progress: VersionProgress) -> Iterator[tuple[str, str]]:
    yield "Embedded", f"{progress.done:,}"
    yield "Pending", f"{progress.pending:,}"
    yield "In hand", f"{progress.embedding:,}"
    yield "Parked", f"{progress.parked:,}"
    yield "Tokens", f"{progress.tokens:,}"
    yield "Tokens per second", f"{progress.tokens_per_second:,.0f}"
    yield "Time left", _left(progress)
    if progress.paid:
        yield "Cost", progress.money


def _left(progress: VersionProgress) -> str:
    if progress.eta_seconds is None:
        return NOTHING
    return f"about {about(progress.eta_seconds)}" if progress.eta_seconds else "nothing left"


def _builds(version: IndexVersion) -> Iterator[tuple[str, int]]:
    """HNSW indexes being built: of what, and percent."""
    if version.state not in STORED:
        return
    for parent, index in sorted(vector_indexes([version])[version.pk].items()):
        if index.state == IndexState.BUILDING:
            yield KINDS[parent], _percent(index)


def _percent(index: VectorIndex) -> int:
    return round(100 * (index.progress or 0.0))


def _settled(version: IndexVersion, progress: VersionProgress) -> bool:
    """Whether nothing is going to change by itself."""
    if version.state == VersionState.BUILDING:
        return False
    if version.state == VersionState.PAUSED:
        return not progress.embedding
    if version.state == VersionState.READY:
        waits = progress.waiting_kind
        by_itself = version.cut_over_when_ready and waits == WaitKind.CUT_OVER
        return waits in FOR_A_PERSON | {WaitKind.CUT_OVER} and not by_itself
    return not progress.pending + progress.embedding
