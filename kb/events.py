"""The events that webhooks may be told of; each app adds its own when it is ready."""

from __future__ import annotations

from collections.abc import Mapping

TEST_EVENT = "webhook.test"
_events: dict[str, str] = {}


def register_events(events: Mapping[str, str]) -> None:
    """Names and what happened, in one sentence each; twice is once."""
    _events.update(events)


def known_events() -> dict[str, str]:
    """Names, in alphabetical order, and what happened."""
    return dict(sorted(_events.items()))
