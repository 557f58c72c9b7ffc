"""Errors of the embedding side."""

from __future__ import annotations

from kb.errors import Conflict, DomainError, InvalidInput, NotFound


class EncoderUnavailable(DomainError):
    """The encoder cannot be reached or loaded just now; safe to retry."""

    code = "encoder_unavailable"


class CheckpointInvalid(DomainError):
    """A checkpoint's files do not fit its configuration; nothing was loaded."""

    code = "checkpoint_invalid"


class UnknownEncoder(InvalidInput):
    """No encoder of that name is configured in `settings.ENCODERS`."""

    code = "unknown_encoder"


class TextNotEmbeddable(DomainError):
    """This text cannot be embedded, and trying again will not help."""

    code = "text_not_embeddable"


class TextTooLong(TextNotEmbeddable):
    """The text, or all texts of one request, are too long: smaller pieces may do."""

    code = "text_too_long"


class NoLiveIndex(DomainError):
    """The workspace has no live index version: questions cannot be answered yet."""

    code = "no_live_index"


class FingerprintChanged(DomainError):
    """The configured encoder is no longer the one the index version was built with.

    Restore the old options, or build a new index version.
    """

    code = "fingerprint_changed"


class NotSearchableInTime(Conflict):
    """Articles were stored and published, but not all were searchable in the time given."""

    code = "not_searchable_in_time"


class MoveRefused(Conflict):
    """The index version is in a state in which this cannot be done."""

    code = "move_refused"


class SameIndex(Conflict):
    """The workspace has an index with this very encoder and these very options already."""

    code = "same_index"


class NotReadyToServe(Conflict):
    """Cutting over now would lose articles or make questions wait; nothing was changed."""

    code = "not_ready_to_serve"


class NeedsWaiver(NotReadyToServe):
    """Articles that cannot be embedded would be left behind: a person has to say why."""

    code = "needs_waiver"


class NoVersion(NotFound):
    """The workspace has no index version of that number, or none in the state needed."""

    code = "no_index_version"


class NoCampaign(NotFound):
    """There is no campaign of that name."""

    code = "no_campaign"


class GateRefused(Conflict):
    """The candidate was not judged, or judged worse than the live version.

    `worst` are the questions that fared worst, as in the verdict.
    """

    code = "gate_refused"

    def __init__(self, message: str, *, worst: list[dict[str, object]] | None = None) -> None:
        super().__init__(message)
        self.worst = worst or []


class NotJudged(GateRefused):
    """The candidate was not judged yet, and may be by and by."""


class StillSoaking(Conflict):
    """The version was live a short time ago and is kept to be rolled back to."""

    code = "still_soaking"
