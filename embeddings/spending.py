"""Tokens spent at paid APIs, counted per workspace, encoder and day."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from django.db import DatabaseError, connection, transaction

from embeddings.encoders.metering import Meter, metered

log = structlog.get_logger(__name__)


@contextmanager
def spending(*, workspace_id: int, encoder: str, meter: Meter | None = None) -> Iterator[None]:
    """Counts what the block spends, also when it fails: the money is gone all the same.

    `meter` sees the tokens too. One upsert after a block that spent something; no query for
    models in our own house.
    """
    with metered(meter) as spent:
        try:
            yield
        finally:
            if spent.tokens:
                _record(workspace_id, encoder, spent.tokens)


def _record(workspace_id: int, encoder: str, tokens: int) -> None:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO embeddings_tokenspend AS spent (workspace_id, encoder, day, tokens)
                VALUES (%s, %s, (now() AT TIME ZONE 'UTC')::date, %s)
                ON CONFLICT (workspace_id, encoder, day)
                DO UPDATE SET tokens = spent.tokens + EXCLUDED.tokens
                """,
                [workspace_id, encoder, tokens],
            )
    except DatabaseError:  # an answer is not given up for its bookkeeping
        log.exception("spend_not_recorded", encoder=encoder, tokens=tokens)
