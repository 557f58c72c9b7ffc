"""Cutting over to another version, and rolling back: one transaction each.

Every process reads the live version for each question, so the change is at once everywhere.
What could hurt is seen to before: the encoder is warm in every process that answers, nothing
that the live version finds is missing, and the gate has let the candidate pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import transaction

from embeddings.completeness import Gap, gap_between
from embeddings.errors import GateRefused, NeedsWaiver, NotJudged, NotReadyToServe, NoVersion
from embeddings.judging import appointed
from embeddings.lifecycle import Move, VersionState
from embeddings.live import encoder_of, live_version
from embeddings.models import IndexVersion, ServingProcess, Verdict
from embeddings.services.moving import Actor, make_move, require_move
from kb.models import Workspace

POLL_SECONDS = 0.25


def cut_over(
    version: IndexVersion,
    *,
    actor: Actor,
    override: str = "",
    waiver: str = "",
    patience: float | None = None,
) -> IndexVersion:
    """Make a ready version live; the one that was stands by. Returns it.

    `override` is the written reason to go on without, or against, the gate's verdict, `waiver`
    that for leaving parked articles behind; both are kept in the event. Waits up to `patience`
    seconds (setting CUT_OVER_PATIENCE) for cold processes and for the last edits. Raises
    MoveRefused, GateRefused, NeedsWaiver or NotReadyToServe, and what is wrong with its encoder
    (FingerprintChanged, UnknownEncoder, CheckpointInvalid, EncoderUnavailable); nothing was
    changed then.
    """
    try:
        return _switch(
            version,
            Move.CUT_OVER,
            actor=actor,
            reason=override.strip() or waiver.strip(),
            patience=settings.CUT_OVER_PATIENCE if patience is None else patience,
            check=lambda live: _check_cut_over(version, live, override=override, waiver=waiver),
        )
    except NotJudged:
        appointed().begin(version.pk)  # a message: not while the rows are held
        raise


def roll_back(
    workspace: Workspace,
    *,
    actor: Actor,
    reason: str = "",
    version: IndexVersion | None = None,
    anyway: bool = False,
    patience: float | None = None,
) -> IndexVersion:
    """Make the version live again that was so last, or another that stands by. Returns it.

    It has received every edit meanwhile, so nothing is lost and no gate is asked. `anyway`
    goes back although some articles are not searchable there yet, and without waiting. Raises
    NoVersion, MoveRefused, NeedsWaiver or NotReadyToServe, and without `anyway` what is wrong
    with its encoder.
    """
    versions = IndexVersion.objects.filter(workspace=workspace)
    target = versions.filter(pk=version.pk).first() if version else versions.standing_by().first()
    if target is None:
        raise NoVersion(f"{workspace.slug!r} has no version that stands by: nothing to go back to.")
    usual = settings.CUT_OVER_PATIENCE if patience is None else patience
    return _switch(
        target,
        Move.ROLL_BACK,
        actor=actor,
        reason=reason,
        patience=0.0 if anyway else usual,
        check=lambda live: _check_way_back(target, live, anyway=anyway),
        cold_too=anyway,
    )


def version_to_cut_over(workspace: Workspace) -> IndexVersion:
    """The one that is ready. Raises NoVersion, also when there are several."""
    ready = list(workspace.index_versions.filter(state=VersionState.READY))
    if len(ready) == 1:
        return ready[0]
    if not ready:
        raise NoVersion(f"{workspace.slug!r} has no version that is ready to be cut over to.")
    numbers = ", ".join(str(each.number) for each in ready)
    raise NoVersion(f"{workspace.slug!r} has several ready versions ({numbers}): choose one.")


def _switch(
    target: IndexVersion,
    move: Move,
    *,
    actor: Actor,
    reason: str,
    patience: float,
    check: Callable[[IndexVersion], dict[str, Any]],
    cold_too: bool = False,
) -> IndexVersion:
    """Try until it can be done or patience ends; what waiting does not mend ends it at once."""
    deadline = time.monotonic() + patience
    if not cold_too:
        encoder_of(target)  # also where no process that answers is alive to say so
    while True:
        try:
            if not cold_too:
                _require_warm(target)
            return _attempt(target, move, actor=actor, reason=reason, check=check)
        except NeedsWaiver:
            raise
        except NotReadyToServe:
            if time.monotonic() >= deadline:
                raise
            time.sleep(POLL_SECONDS)


def _attempt(
    target: IndexVersion,
    move: Move,
    *,
    actor: Actor,
    reason: str,
    check: Callable[[IndexVersion], dict[str, Any]],
) -> IndexVersion:
    with transaction.atomic():
        workspace = Workspace.objects.select_for_update(no_key=True).get(pk=target.workspace_id)
        require_move(IndexVersion.objects.get(pk=target.pk), move)
        live = live_version(workspace)
        details = check(live) | {"from": live.number}
        make_move(live, Move.REPLACE, actor=actor, details={"by": target.number})
        return make_move(target, move, actor=actor, reason=reason, details=details)


def _require_warm(version: IndexVersion) -> None:
    """Every process that answers questions has the encoder in memory: no question waits for it."""
    cold = list(ServingProcess.objects.cold(version.warm_as))
    if cold:
        told = "; ".join(f"{each.name} {each.problem}".strip() for each in cold[:5])
        raise NotReadyToServe(
            f"{len(cold)} process(es) that answer questions have not loaded {version.encoder!r} "
            f"yet: {told}. They do so by themselves; try again in a moment."
        )


def _check_cut_over(
    version: IndexVersion, live: IndexVersion, *, override: str, waiver: str
) -> dict[str, Any]:
    gate = _pass_gate(version, live, override=override.strip())
    return gate | _check_complete(version, live, waiver=waiver.strip())


def _pass_gate(version: IndexVersion, live: IndexVersion, *, override: str) -> dict[str, Any]:
    verdict = Verdict.objects.between(version, live).first()
    judged = {"verdict": verdict.pk if verdict else None}
    if verdict and verdict.allowed:
        return judged
    if override:
        return judged | {"override": override}
    if verdict is None:
        raise _not_judged(version, live)
    raise GateRefused(
        f"The gate refused version {version.number}: {verdict.summary} "
        "An override with a written reason (--override REASON) goes on all the same, and is "
        "recorded.",
        worst=verdict.worst,
    )


def _not_judged(version: IndexVersion, live: IndexVersion) -> GateRefused:
    over = appointed().why_over(version, live)
    when = (
        f"That ended without a verdict ({over}) and is begun anew on its verdict page"
        if over
        else "A worker does so: try again in some minutes"
    )
    kind = GateRefused if over else NotJudged
    return kind(
        f"Version {version.number} has not been judged beside the live version {live.number} yet. "
        f"{when}; an override with a written reason (--override REASON) goes on without."
    )


def _check_complete(version: IndexVersion, live: IndexVersion, *, waiver: str) -> dict[str, Any]:
    gap = gap_between(version, live)
    if gap.parked and not waiver:
        raise NeedsWaiver(
            f"{gap.parked} articles could not be embedded in version {version.number} "
            f"({gap.examples()}): mend and retry them, or leave them behind with a written waiver "
            "(--waive REASON)."
        )
    _require_nothing_pending(version, gap)
    return {"parked": gap.parked, "waiver": waiver} if waiver else {}


def _check_way_back(version: IndexVersion, live: IndexVersion, *, anyway: bool) -> dict[str, Any]:
    """What neither version could embed is no reason to stay."""
    gap = gap_between(version, live)
    if anyway:
        return {"anyway": True, "parked": gap.parked, "pending": gap.pending}
    if gap.lost:
        raise NeedsWaiver(
            f"{gap.lost} articles that are searchable now could not be embedded in version "
            f"{version.number}: mend and retry them, or go back without them (--anyway)."
        )
    _require_nothing_pending(version, gap)
    return {}


def _require_nothing_pending(version: IndexVersion, gap: Gap) -> None:
    if gap.pending:
        raise NotReadyToServe(
            f"{gap.pending} articles that are searchable now are not in version "
            f"{version.number} yet; try again in a moment."
        )
