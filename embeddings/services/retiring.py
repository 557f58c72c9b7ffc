"""Retiring versions: they stop receiving edits, and their vectors are dropped."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from embeddings.errors import StillSoaking
from embeddings.lifecycle import Move, VersionState
from embeddings.models import IndexVersion
from embeddings.services.moving import Actor, make_move
from embeddings.services.running import drop_soon


def retire_version(
    version: IndexVersion, *, actor: Actor, reason: str = "", at_once: bool = False
) -> IndexVersion:
    """Nobody can roll back to it any more; a worker drops its partitions.

    One that was live is kept for INDEX_SOAK_HOURS after it was replaced, unless `at_once`.
    Raises StillSoaking or MoveRefused.
    """
    with transaction.atomic():
        locked = IndexVersion.objects.select_for_update(no_key=True).get(pk=version.pk)
        if not at_once:
            _require_soaked(locked)
        moved = make_move(locked, Move.RETIRE, actor=actor, reason=reason)
        transaction.on_commit(drop_soon)
    return moved


def soaks_until(version: IndexVersion) -> datetime:
    """When a version that stands by may be retired; in the past for any other."""
    if version.state != VersionState.STANDBY or version.live_until is None:
        return version.created_at
    return version.live_until + timedelta(hours=settings.INDEX_SOAK_HOURS)


def _require_soaked(version: IndexVersion) -> None:
    until = soaks_until(version)
    if until > timezone.now():
        raise StillSoaking(
            f"Version {version.number} was live until a moment ago and stands by until "
            f"{until:%Y-%m-%d %H:%M} UTC, to be rolled back to; --now retires it all the same."
        )
