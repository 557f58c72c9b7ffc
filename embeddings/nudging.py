"""Nudges of the embedding side."""

from __future__ import annotations

from django.conf import settings

from kb.nudging import send_nudge


def nudge_version(
    version_id: int, *, bulk: bool, countdown: float = 0.0, expires: float | None = None
) -> None:
    """Ask some worker to look at a version, in `countdown` seconds; bulk work waits behind what
    people publish.

    What nobody has taken `expires` seconds after that (None: by the next sweep, which asks
    again) is dropped, so that messages for workers that are busy or away do not pile up.
    """
    span = settings.SWEEP_SECONDS if expires is None else expires
    send_nudge(
        "embeddings.embed_version",
        version_id,
        queue="bulk" if bulk else "interactive",
        kwargs={"bulk": bulk},
        countdown=countdown,
        expires=countdown + span,
    )
