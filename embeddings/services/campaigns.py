"""Campaigns: re-embedding many workspaces, in order, so many at a time.

`embeddings.campaigning` takes the steps; here is what people do to a campaign.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import connection, transaction
from django.db.models import Count, Q, QuerySet

from embeddings.encoders.registry import get_encoder
from embeddings.errors import NoCampaign
from embeddings.models import (
    Campaign,
    CampaignOrder,
    CampaignState,
    CampaignWorkspace,
    IndexVersion,
    Step,
    VersionState,
)
from embeddings.services.moving import Actor
from embeddings.services.running import cancel_version, pause_version, resume_version
from embeddings.services.starting import UNLIMITED, Pace, with_strategy
from kb.errors import Conflict, InvalidInput
from kb.models import Workspace
from kb.nudging import send_nudge

SORTING = {
    CampaignOrder.SMALLEST: ("articles_published", "slug"),
    CampaignOrder.LARGEST: ("-articles_published", "slug"),
    CampaignOrder.SLUG: ("slug",),
}
CANCELLABLE = (VersionState.BUILDING, VersionState.PAUSED, VersionState.FAILED, VersionState.READY)


def start_campaign(
    *,
    name: str,
    encoder: str,
    workspaces: Iterable[Workspace] | None = None,
    strategy: str | None = None,
    concurrency: int = 1,
    order: str = CampaignOrder.SMALLEST,
    stop_on_failure: bool = True,
    cut_over: bool = False,
    pace: Pace = UNLIMITED,
    actor: Actor,
) -> Campaign:
    """A campaign over these workspaces (None: all there are); a worker begins it.

    Raises UnknownEncoder, CheckpointInvalid, InvalidInput, or Conflict for a name that is
    taken or a workspace that is in an unfinished campaign.
    """
    get_encoder(with_strategy(encoder, strategy))
    chosen = None if workspaces is None else {workspace.pk for workspace in workspaces}
    with transaction.atomic():
        ordered = _ordered(order, chosen, concurrency=concurrency)
        _refuse_doubles(ordered)
        if Campaign.objects.filter(name=name).exists():
            raise Conflict(f"There is a campaign {name!r} already.")
        campaign = Campaign.objects.create(
            name=name, encoder=encoder, strategy=strategy or "", concurrency=concurrency,
            order=order, stop_on_failure=stop_on_failure, cut_over=cut_over,
            actor=actor.name, user=actor.user, **pace.fields(),
        )  # fmt: skip
        _add_turns(campaign, ordered)
        transaction.on_commit(nudge_campaigns, robust=True)
    return campaign


def pause_campaign(campaign: Campaign, *, actor: Actor, reason: str = "") -> Campaign:
    """Nothing new begins, and its builds that are under way are paused. Raises Conflict."""
    with transaction.atomic():
        locked = _place(campaign, CampaignState.PAUSED, by=(CampaignState.RUNNING,), reason=reason)
        for version in _versions(locked).filter(state=VersionState.BUILDING):
            pause_version(version, actor=actor, reason=reason)
    return locked


def resume_campaign(campaign: Campaign, *, actor: Actor, reason: str = "") -> Campaign:
    """Go on, past the workspaces that failed (a retried version counts again). Raises Conflict."""
    with transaction.atomic():
        stopped = (CampaignState.PAUSED, CampaignState.STOPPED)
        if campaign.state == CampaignState.STOPPED:
            turns = campaign.turns.waiting()
            _refuse_doubles(Workspace.objects.filter(pk__in=turns.values("workspace")))
        locked = _place(campaign, CampaignState.RUNNING, by=stopped, reason="")
        locked.turns.failed().update(passed_over=True)
        for version in _versions(locked).filter(state=VersionState.PAUSED):
            resume_version(version, actor=actor, reason=reason)
        transaction.on_commit(nudge_campaigns, robust=True)
    return locked


def stop_campaign(
    campaign: Campaign, *, actor: Actor, reason: str = "", cancel: bool = False
) -> Campaign:
    """Nothing new begins; builds under way go on, or with `cancel` are given up.

    Raises Conflict.
    """
    with transaction.atomic():
        going = (CampaignState.RUNNING, CampaignState.PAUSED)
        said = reason or f"Stopped by {actor.name}."
        locked = _place(campaign, CampaignState.STOPPED, by=going, reason=said)
        for version in _versions(locked).filter(state__in=CANCELLABLE) if cancel else ():
            cancel_version(version, actor=actor, reason=said)
    return locked


def campaign_named(name: str) -> Campaign:
    """Raises NoCampaign, which lists what there is."""
    campaign = Campaign.objects.filter(name=name).first()
    if campaign is None:
        known = ", ".join(Campaign.objects.values_list("name", flat=True)[:10]) or "none yet"
        raise NoCampaign(f"No campaign is called {name!r}; there are: {known}.")
    return campaign


def nudge_campaigns() -> None:
    """Ask a worker to look after campaigns; the sweep does so too."""
    send_nudge("embeddings.advance_campaigns", queue="bulk")


def _ordered(order: str, chosen: set[int] | None, *, concurrency: int) -> Sequence[Workspace]:
    if order not in CampaignOrder.values:
        raise InvalidInput(f"Orders are {', '.join(CampaignOrder.values)}.", field="order")
    if concurrency < 1:
        raise InvalidInput("At least one workspace at a time.", field="concurrency")
    published = Count("articles", filter=Q(articles__published_revision__isnull=False))
    counted = Workspace.objects.annotate(articles_published=published)
    found = counted.order_by(*SORTING[CampaignOrder(order)])
    ordered = list(found if chosen is None else found.filter(pk__in=chosen))
    if not ordered:
        raise InvalidInput("A campaign needs at least one workspace.", field="workspaces")
    return ordered


def _add_turns(campaign: Campaign, workspaces: Sequence[Workspace]) -> None:
    CampaignWorkspace.objects.bulk_create(
        CampaignWorkspace(campaign=campaign, workspace=workspace, position=position)
        for position, workspace in enumerate(workspaces, start=1)
    )


def _refuse_doubles(workspaces: Iterable[Workspace]) -> None:
    """Held until the transaction ends: two campaigns that are begun at once see each other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('campaigns'))")
    others = CampaignWorkspace.objects.filter(
        workspace__in=workspaces, campaign__state__in=(CampaignState.RUNNING, CampaignState.PAUSED)
    )
    if other := others.select_related("campaign", "workspace").first():
        raise Conflict(
            f"{other.workspace.slug!r} is in the campaign {other.campaign.name!r} already: "
            "let that one end, or stop it first."
        )


def _place(
    campaign: Campaign, state: CampaignState, *, by: tuple[CampaignState, ...], reason: str
) -> Campaign:
    locked = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    if locked.state not in by:
        raise Conflict(f"The campaign is {locked.get_state_display().lower()}.")
    locked.state, locked.reason = state, reason
    locked.save(update_fields=["state", "reason"])
    return locked


def _versions(campaign: Campaign) -> QuerySet[IndexVersion]:
    """Those that it builds."""
    turns = campaign.turns.exclude(state=Step.SKIPPED)
    return IndexVersion.objects.filter(pk__in=turns.values("version"))
