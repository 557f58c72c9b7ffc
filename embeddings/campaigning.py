"""The steps of a campaign: see how its builds fare, end or stop it, begin the next one."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from embeddings.encoders.registry import get_encoder
from embeddings.errors import EncoderUnavailable
from embeddings.lifecycle import STORED
from embeddings.models import (
    Campaign,
    CampaignState,
    CampaignWorkspace,
    IndexVersion,
    Step,
    VersionState,
)
from embeddings.services.moving import Actor
from embeddings.services.starting import Pace, start_version, with_strategy
from embeddings.watching.verdicts import wait_for_cut_over
from embeddings.watching.waits import FOR_A_PERSON
from kb.errors import DomainError


def advance(campaign: Campaign) -> int:
    """Bring a campaign to where it can be now; how many workspaces had their turn.

    Safe to run anywhere, twice, and at the same time: each step holds the campaign's row.
    One whose encoder is not there any more is stopped, with the reason. Raises
    EncoderUnavailable when nothing can begin because the encoder is away.
    """
    _step(campaign, fingerprint="")  # how the builds fare is seen without any encoder
    taken = 0
    while _may_begin(campaign) and _step(campaign, _fingerprint(campaign)):
        taken += 1
    if taken:
        _step(campaign, fingerprint="")  # it may be over already, if there was nothing to build
    return taken


def _may_begin(campaign: Campaign) -> bool:
    """Looked at outside any transaction: the encoder may have to be loaded then."""
    campaign.refresh_from_db(fields=["state"])
    return (
        campaign.state == CampaignState.RUNNING
        and campaign.turns.waiting().exists()
        and campaign.turns.going().count() < campaign.concurrency
    )


def _fingerprint(campaign: Campaign) -> str:
    """Empty, and the campaign stopped, where nothing but a person can mend its encoder."""
    try:
        return get_encoder(with_strategy(campaign.encoder, campaign.strategy or None)).fingerprint
    except EncoderUnavailable:
        raise
    except DomainError as error:
        running = Campaign.objects.filter(pk=campaign.pk, state=CampaignState.RUNNING)
        running.update(state=CampaignState.STOPPED, reason=f"Nothing can be begun: {error}")
        return ""


def _step(campaign: Campaign, fingerprint: str) -> bool:
    with transaction.atomic():
        locked = Campaign.objects.unfinished().select_for_update(no_key=True)
        found = locked.filter(pk=campaign.pk).first()
        if found is None:
            return False
        _follow_versions(found)
        _stop_if_failed(found)
        if found.state != CampaignState.RUNNING or _end_if_done(found):
            return False
        waiting = found.turns.waiting().select_related("workspace").first()
        if waiting is None or not fingerprint or found.turns.going().count() >= found.concurrency:
            return False
        _begin(found, waiting, fingerprint)
    return True


def _follow_versions(campaign: Campaign) -> None:
    begun = campaign.turns.exclude(state__in=(Step.WAITING, Step.SKIPPED))
    for turn in begun.select_related("version__workspace"):
        state, reason = _standing(campaign, turn.version)
        if (state, reason) != (turn.state, turn.reason) and turn.version is not None:
            turn.passed_over = turn.passed_over and state == Step.FAILED
            _place(turn, state, reason)


def _standing(campaign: Campaign, version: IndexVersion | None) -> tuple[Step, str]:
    """How far a workspace is, by its version."""
    if version is None:
        return Step.FAILED, "Its version is gone."
    if version.state == VersionState.READY:
        return _readiness(campaign, version)
    number = f"Version {version.number}"
    return {
        VersionState.BUILDING: (Step.BUILDING, ""),
        VersionState.PAUSED: (Step.BUILDING, f"{number} is paused."),
        VersionState.LIVE: (Step.LIVE, ""),
        VersionState.FAILED: (Step.FAILED, version.problem),
        VersionState.STANDBY: (Step.FAILED, f"{number} stands by: another one is live."),
        VersionState.CANCELLED: (Step.FAILED, f"{number} was cancelled."),
        VersionState.RETIRED: (Step.FAILED, f"{number} was retired."),
    }[VersionState(version.state)]


def _readiness(campaign: Campaign, version: IndexVersion) -> tuple[Step, str]:
    if not campaign.cut_over:
        return Step.READY, ""
    wait = wait_for_cut_over(version)
    return (Step.FAILED if wait.kind in FOR_A_PERSON else Step.JUDGING), wait.text


def _stop_if_failed(campaign: Campaign) -> None:
    if campaign.state != CampaignState.RUNNING or not campaign.stop_on_failure:
        return
    failed = campaign.turns.failed().select_related("workspace").first()
    if failed is not None:
        campaign.state = CampaignState.STOPPED
        campaign.reason = f"{failed.workspace.slug}: {failed.reason}"
        campaign.save(update_fields=["state", "reason"])


def _end_if_done(campaign: Campaign) -> bool:
    if campaign.turns.waiting().exists() or campaign.turns.going().exists():
        return False
    campaign.state, campaign.done_at = CampaignState.DONE, timezone.now()
    campaign.save(update_fields=["state", "done_at"])
    return True


def _begin(campaign: Campaign, turn: CampaignWorkspace, fingerprint: str) -> None:
    """Its build, one that is there already, or nothing to do."""
    same = turn.workspace.index_versions.filter(state__in=STORED, fingerprint=fingerprint)
    if live := same.live().first():
        _place(turn, Step.SKIPPED, f"Version {live.number}, which is live, is the same.")
        return
    try:
        with transaction.atomic():
            turn.version = _adopt(campaign, same.first()) or _start(campaign, turn)
    except EncoderUnavailable:
        raise
    except DomainError as error:
        _place(turn, Step.FAILED, str(error))
        return
    turn.save(update_fields=["version"])
    _place(turn, *_standing(campaign, turn.version))


def _adopt(campaign: Campaign, version: IndexVersion | None) -> IndexVersion | None:
    """One that somebody began with this very encoder."""
    if version is not None and campaign.cut_over:
        version.cut_over_when_ready = True
        version.save(update_fields=["cut_over_when_ready"])
    return version


def _start(campaign: Campaign, turn: CampaignWorkspace) -> IndexVersion:
    return start_version(
        turn.workspace,
        encoder=campaign.encoder,
        strategy=campaign.strategy or None,
        actor=Actor(name=campaign.actor, user=campaign.user),
        reason=f"Campaign {campaign.name}",
        pace=Pace(
            tokens_per_second=campaign.tokens_per_second,
            night_from=campaign.night_from,
            night_until=campaign.night_until,
        ),
        cut_over=campaign.cut_over,
    )


def _place(turn: CampaignWorkspace, state: Step, reason: str) -> None:
    turn.state, turn.reason = state, reason
    turn.save(update_fields=["state", "reason", "passed_over"])
