"""How far a campaign is, for people and programs."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from embeddings.models import Campaign, CampaignWorkspace, Step
from embeddings.models.campaign import GOING
from embeddings.watching.progress import version_progress


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnStatus:
    """One workspace's; `done` of `total` articles while it is being built, `waits_for` a
    sentence if its build stands still."""

    position: int
    workspace: str
    state: str
    version: int | None
    done: int | None
    total: int | None
    waits_for: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignStatus:
    """`counts`: workspaces by state."""

    name: str
    encoder: str
    strategy: str
    state: str
    reason: str
    concurrency: int
    order: str
    stop_on_failure: bool
    cut_over: bool
    counts: dict[str, int]
    workspaces: tuple[TurnStatus, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @property
    def settled(self) -> int:
        """Workspaces that need nothing more."""
        return sum(self.counts.get(step, 0) for step in (Step.READY, Step.LIVE, Step.SKIPPED))


def campaign_status(campaign: Campaign) -> CampaignStatus:
    """From the rows."""
    turns = list(campaign.turns.select_related("workspace", "version__workspace"))
    return CampaignStatus(
        name=campaign.name,
        encoder=campaign.encoder,
        strategy=campaign.strategy,
        state=campaign.state,
        reason=campaign.reason,
        concurrency=campaign.concurrency,
        order=campaign.order,
        stop_on_failure=campaign.stop_on_failure,
        cut_over=campaign.cut_over,
        counts=dict(Counter(str(turn.state) for turn in turns)),
        workspaces=tuple(_turn_status(turn) for turn in turns),
    )


def _turn_status(turn: CampaignWorkspace) -> TurnStatus:
    building = turn.version if turn.state in GOING else None
    progress = version_progress(building) if building else None
    return TurnStatus(
        position=turn.position,
        workspace=turn.workspace.slug,
        state=str(turn.state),
        version=turn.version.number if turn.version else None,
        done=progress.done if progress else None,
        total=progress.total if progress else None,
        waits_for=progress.waits_for if progress else "",
        reason=turn.reason,
    )
