"""Telling the index, after the commit, that articles changed."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from django.db import transaction

from kb.signals import articles_changed

log = structlog.get_logger(__name__)


def announce(workspace_id: int, article_ids: Sequence[int], *, bulk: bool = False) -> None:
    """Send `articles_changed` once the running transaction is committed.

    What a receiver raises is logged, never passed on: the change is stored, and the sweep
    makes up for it.
    """

    def send() -> None:
        results = articles_changed.send_robust(
            None, workspace_id=workspace_id, article_ids=list(article_ids), bulk=bulk
        )
        for receiver, error in results:
            if isinstance(error, Exception):
                name = getattr(receiver, "__name__", str(receiver))
                log.error("receiver_failed", receiver=name, error=repr(error))

    transaction.on_commit(send)
