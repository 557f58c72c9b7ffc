"""Nudges of the embedding side."""

from __future__ import annotations

from kb.nudging import send_nudge

__all__ = ["nudge_version", "send_nudge"]


def nudge_version(version_id: int, *, bulk: bool) -> None:
    """Ask some worker to look at a version; bulk work waits behind what people publish."""
    send_nudge(
        "embeddings.embed_version",
        version_id,
        queue="bulk" if bulk else "interactive",
        kwargs={"bulk": bulk},
    )
