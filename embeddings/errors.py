"""Errors of the embedding side."""

from __future__ import annotations

from kb.errors import Conflict, DomainError, InvalidInput


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
