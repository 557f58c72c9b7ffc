"""Which index version answers, and the encoder that asks it."""

from __future__ import annotations

from embeddings.encoders.base import Encoder
from embeddings.encoders.registry import get_encoder
from embeddings.errors import FingerprintChanged, NoLiveIndex
from embeddings.models import IndexVersion
from kb.models import Workspace


def live_version(workspace: Workspace) -> IndexVersion:
    """The live version, read anew for every question (it changes under us in a cut-over).

    Raises NoLiveIndex.
    """
    version = IndexVersion.objects.live_in(workspace.pk)
    if version is None:
        raise NoLiveIndex(
            f"Workspace {workspace.slug!r} has no live index yet; it gets one within a minute of "
            "its making when a worker and beat run (bin/manage index_status shows it)."
        )
    return version


def encoder_of(version: IndexVersion) -> Encoder:
    """The encoder that this version was built with, for its questions and its articles.

    Raises FingerprintChanged when the configured options no longer give the same vectors.
    """
    encoder = get_encoder(version.encoder)
    if encoder.fingerprint != version.fingerprint:
        raise FingerprintChanged(
            f"Encoder {version.encoder!r} is configured as {encoder.fingerprint!r}, but index "
            f"version {version.number} was built with {version.fingerprint!r}. Restore its "
            "options, or build a new index version."
        )
    return encoder
