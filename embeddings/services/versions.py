"""Index versions: making them, and seeing that every workspace has a live one."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from embeddings.encoders.registry import configuration, get_encoder
from embeddings.lifecycle import Move
from embeddings.live import live_version
from embeddings.models import IndexVersion, VersionState
from embeddings.partitions import create_partitions
from embeddings.services.moving import WORKER, Actor, record_event
from kb.errors import Conflict
from kb.models import Workspace


def create_index_version(
    workspace: Workspace,
    *,
    encoder: str,
    state: VersionState = VersionState.BUILDING,
    actor: Actor = WORKER,
    reason: str = "",
) -> IndexVersion:
    """A new version with its partitions, ready to be filled.

    Raises UnknownEncoder or CheckpointInvalid; nothing is made then.
    """
    backend = get_encoder(encoder)
    with transaction.atomic():
        Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
        newest = workspace.index_versions.aggregate(newest=Max("number"))["newest"] or 0
        version = IndexVersion.objects.create(
            workspace=workspace,
            number=newest + 1,
            state=state,
            encoder=encoder,
            fingerprint=backend.fingerprint,
            dimension=backend.dimension,
            strategy=configuration(encoder)["STRATEGY"],
            live_since=timezone.now() if state == VersionState.LIVE else None,
        )
        create_partitions(version.pk, version.dimension)
        record_event(version, Move.START, before="", actor=actor, reason=reason)
    return version


def ensure_first_version(workspace: Workspace, *, encoder: str | None = None) -> None:
    """Give a workspace in which no version is live one, live from the start (it is empty)."""
    if workspace.index_versions.live().exists():
        return
    with transaction.atomic():
        Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
        if not workspace.index_versions.live().exists():
            create_index_version(
                workspace, encoder=encoder or settings.DEFAULT_ENCODER, state=VersionState.LIVE
            )


def check_encoder_of(workspace: Workspace, *, encoder: str) -> None:
    """Raises Conflict when the workspace's live index has another encoder, NoLiveIndex."""
    live = live_version(workspace)
    if live.encoder != encoder:
        raise Conflict(
            f"Workspace {workspace.slug!r} is indexed with {live.encoder!r}; articles of one "
            f"index cannot have two encoders. Leave --encoder {encoder} out, or switch with "
            f"bin/manage reembed --workspace {workspace.slug} --encoder {encoder}."
        )
