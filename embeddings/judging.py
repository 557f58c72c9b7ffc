"""Who judges index versions: the app above this one, which says so here when it is ready."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from embeddings.models import IndexVersion


class Judge(Protocol):
    """Asks questions of a version and of the live one, and writes verdicts."""

    def begin(self, version_id: int) -> None:
        """Have some worker judge a version, unless a person ended that."""

    def why_over(self, version: IndexVersion, live: IndexVersion) -> str:
        """Why nobody goes on judging it beside `live` by himself; empty where somebody does."""


class Nobody:
    """Without an app that judges, versions wait for an override."""

    def begin(self, version_id: int) -> None:
        """Nothing happens."""

    def why_over(self, version: IndexVersion, live: IndexVersion) -> str:  # noqa: ARG002 - as asked
        """Nothing is known."""
        return ""


@dataclass(slots=True)
class _Seat:
    judge: Judge = field(default_factory=Nobody)


_seat = _Seat()


def appoint(judge: Judge) -> None:
    """From now on; the last one holds."""
    _seat.judge = judge


def appointed() -> Judge:
    """Whoever was appointed last."""
    return _seat.judge
