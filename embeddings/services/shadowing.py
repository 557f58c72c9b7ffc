"""Asking a candidate beside the live version."""

from __future__ import annotations

from django.db import transaction

from embeddings.errors import MoveRefused
from embeddings.lifecycle import CANDIDATES, VersionState
from embeddings.models import IndexVersion
from kb.errors import InvalidInput

SHADOWED = tuple(state for state in CANDIDATES if state != VersionState.LIVE)


def change_shadow_share(version: IndexVersion, *, share: float) -> IndexVersion:
    """From the next question on; 0 ends it.

    Raises InvalidInput, or MoveRefused for a version that cannot be asked beside the live one.
    """
    if not 0 <= share <= 1:
        raise InvalidInput("A share is from 0 (none) to 1 (every question).", field="share")
    with transaction.atomic():
        locked = IndexVersion.objects.select_for_update(no_key=True).get(pk=version.pk)
        if share and locked.state not in SHADOWED:
            needed = " or ".join(state.label.lower() for state in SHADOWED)
            raise MoveRefused(
                f"Version {locked.number} is {locked.get_state_display().lower()}: only one that "
                f"is {needed} is asked beside the live version."
            )
        locked.shadow_share = share
        locked.save(update_fields=["shadow_share"])
    return locked


def end_shadow(version_id: int) -> None:
    """Of a version that is no candidate any more."""
    IndexVersion.objects.filter(pk=version_id, shadow_share__gt=0).update(shadow_share=0.0)
