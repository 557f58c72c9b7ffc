"""What a version that is ready waits for before it can be cut over to."""

from __future__ import annotations

from embeddings.completeness import gap_between
from embeddings.judging import appointed
from embeddings.models import IndexVersion, ServingProcess, Verdict
from embeddings.watching.waits import Wait, WaitKind


def latest_verdict(version: IndexVersion) -> Verdict | None:
    """On this version beside the one that is live now."""
    live = IndexVersion.objects.live_in(version.workspace_id)
    return Verdict.objects.between(version, live).first() if live else None


def wait_for_cut_over(version: IndexVersion) -> Wait:
    """The first of what stands in the way; if nothing does, the cut-over itself."""
    slug = version.workspace.slug
    go = f"`cut_over --workspace {slug} --version {version.number}"
    verdict = latest_verdict(version)
    if verdict is None:
        return _not_judged(version, go)
    if not verdict.allowed:
        return Wait(
            kind=WaitKind.REFUSED,
            text=f"The gate refused it: {verdict.summary} {go} --override REASON` goes on all "
            "the same.",
        )
    return _gap(version, verdict.against, go) or _cold(version) or _ready(version, go)


def _not_judged(version: IndexVersion, go: str) -> Wait:
    live = IndexVersion.objects.live_in(version.workspace_id)
    over = appointed().why_over(version, live) if live else ""
    if over:
        return Wait(
            kind=WaitKind.NOT_JUDGED,
            text=f"Its judging ended without a verdict: {over} Judge it again on its verdict "
            f"page, or {go} --override REASON` goes on without.",
        )
    usual = "The gate judges it beside the live version; that may take minutes."
    return Wait(kind=WaitKind.VERDICT, text=version.problem or usual)


def _gap(version: IndexVersion, live: IndexVersion, go: str) -> Wait | None:
    gap = gap_between(version, live)
    if gap.parked:
        return Wait(
            kind=WaitKind.PARKED,
            text=f"{gap.parked:,} articles could not be embedded ({gap.examples()}): mend and "
            f"retry them, or {go} --waive REASON` leaves them behind.",
        )
    if gap.pending:
        return Wait(
            kind=WaitKind.CATCHING_UP,
            text=f"{gap.pending:,} articles that are searchable now are not in it yet.",
        )
    return None


def _cold(version: IndexVersion) -> Wait | None:
    cold = list(ServingProcess.objects.cold(version.warm_as))
    if not cold:
        return None
    told = "; ".join(f"{each.name} {each.problem}".strip() for each in cold[:3])
    return Wait(
        kind=WaitKind.COLD,
        text=f"{len(cold)} processes that answer questions load its encoder: {told}.",
    )


def _ready(version: IndexVersion, go: str) -> Wait:
    if version.cut_over_when_ready:
        return Wait(kind=WaitKind.CUT_OVER, text="A worker cuts over to it within a minute.")
    return Wait(kind=WaitKind.CUT_OVER, text=f"Nothing stands in the way: {go}` cuts over to it.")
