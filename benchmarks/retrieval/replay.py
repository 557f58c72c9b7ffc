"""The statements that the legs send, recorded as they are and sent again without us."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.db import connection, transaction

LEGS = {"chat.retrieval.legs", "chat.retrieval.candidates"}


class NothingRecorded(Exception):
    """The legs sent no statement over this connection: there is nothing to compare with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """SQL, its parameters as the driver takes them, and the transaction it was part of.

    A transaction is whatever object stands for it, None without one.
    """

    sql: str
    parameters: Any
    transaction: object


@contextmanager
def recording() -> Iterator[list[Statement]]:
    """What any leg sends inside the block, in order. Raises NothingRecorded at its end."""
    statements: list[Statement] = []

    def record(
        execute: Callable[..., object], sql: str, parameters: object, many: bool, context: object
    ) -> object:
        if _sent_by_legs():
            block = connection.atomic_blocks[-1] if connection.in_atomic_block else None
            statements.append(Statement(sql=sql, parameters=parameters, transaction=block))
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(record):
        yield statements
    if not statements:
        raise NothingRecorded(NothingRecorded.__doc__)


def replay(statements: Sequence[Statement]) -> None:
    """Send them over the driver's own cursor and fetch every row.

    Those of one transaction go in one again, which is rolled back: settings made for it
    (SET LOCAL) end with it.
    """
    for block, together in groupby(statements, key=lambda statement: statement.transaction):
        with transaction.atomic() if block else nullcontext():
            _send(list(together))
            if block:
                transaction.set_rollback(True)


def _send(statements: Sequence[Statement]) -> None:
    connection.ensure_connection()
    with connection.connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement.sql, statement.parameters)
            if cursor.description is not None:
                cursor.fetchall()


def _sent_by_legs() -> bool:
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_globals.get("__name__") in LEGS:
            return True
        frame = frame.f_back
    return False
