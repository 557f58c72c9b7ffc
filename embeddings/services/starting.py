"""Starting a re-embedding: a version beside the live one, and rows for all its work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from typing import Any

from django.db import transaction

from embeddings.encoders.base import Encoder
from embeddings.encoders.registry import configuration, get_encoder
from embeddings.errors import SameIndex
from embeddings.filling.deriving import derivable_from
from embeddings.lifecycle import STORED
from embeddings.models import IndexVersion
from embeddings.nudging import nudge_version
from embeddings.services.entries import ensure_entries
from embeddings.services.moving import Actor
from embeddings.services.versions import create_index_version, ensure_first_version
from kb.errors import InvalidInput
from kb.models import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How bulk work may run: at most so many tokens a second, only within these hours (of the
    server's TIME_ZONE; past midnight if they are so). People's edits are not held back."""

    tokens_per_second: int | None = None
    night_from: time | None = None
    night_until: time | None = None

    def fields(self) -> dict[str, Any]:
        """As columns of IndexVersion. Raises InvalidInput."""
        if self.tokens_per_second is not None and self.tokens_per_second <= 0:
            raise InvalidInput("A speed limit is above 0 tokens/s.", field="tokens_per_second")
        if (self.night_from is None) != (self.night_until is None):
            raise InvalidInput("A night window has a beginning and an end.", field="night_from")
        if self.night_from is not None and self.night_from == self.night_until:
            raise InvalidInput("A night window cannot be empty.", field="night_until")
        return {
            "tokens_per_second": self.tokens_per_second,
            "night_from": self.night_from,
            "night_until": self.night_until,
        }


UNLIMITED = Pace()


def start_version(
    workspace: Workspace,
    *,
    encoder: str,
    strategy: str | None = None,
    actor: Actor,
    reason: str = "",
    pace: Pace = UNLIMITED,
    cut_over: bool = False,
    shadow_share: float = 0.0,
    estimate: dict[str, Any] | None = None,
) -> IndexVersion:
    """A building version with an entry for every published revision; a worker takes it up.

    `strategy` cuts articles otherwise than the encoder's own; with `cut_over` it goes live by
    itself once it is ready and the gate lets it, and `shadow_share` of the live questions is
    asked of it too from when it is ready. Vectors that are the beginning of stored ones
    are derived from them, without encoding. A workspace that has no live version yet gets its
    first one, of the default encoder, to be judged beside. Raises UnknownEncoder,
    CheckpointInvalid, InvalidInput, or SameIndex where an index with this fingerprint is there
    already.
    """
    alias = with_strategy(encoder, strategy)
    backend, fields = get_encoder(alias), pace.fields()
    if not 0 <= shadow_share <= 1:
        raise InvalidInput("A share is from 0 (none) to 1 (every question).", field="shadow_share")
    ensure_first_version(workspace)
    with transaction.atomic():
        Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
        _refuse_same(workspace, backend, alias)
        source = derivable_from(workspace, backend)
        version = create_index_version(workspace, encoder=alias, actor=actor, reason=reason)
        for name, value in fields.items():
            setattr(version, name, value)
        version.cut_over_when_ready, version.derived_from = cut_over, source
        version.estimate, version.shadow_share = estimate or {}, shadow_share
        version.save()
        ensure_entries(version, bulk=True)
        transaction.on_commit(lambda: nudge_version(version.pk, bulk=True))
    return version


def with_strategy(encoder: str, strategy: str | None) -> str:
    """The alias of an encoder cutting in another way; its own way keeps the plain alias."""
    base = encoder.partition("@")[0]
    if strategy is None or strategy == configuration(encoder)["STRATEGY"]:
        return encoder
    alias = base if strategy == configuration(base)["STRATEGY"] else f"{base}@{strategy}"
    configuration(alias)
    return alias


def _refuse_same(workspace: Workspace, backend: Encoder, alias: str) -> None:
    same = workspace.index_versions.filter(state__in=STORED, fingerprint=backend.fingerprint)
    if existing := same.first():
        raise SameIndex(
            f"Version {existing.number} of {workspace.slug!r} ({existing.get_state_display()}) "
            f"has this fingerprint already: {alias!r} would give the same vectors. "
            "Use it, or cancel or retire it first."
        )
