"""What a session of PostgreSQL keeps beyond one transaction: advisory locks and settings.

For what may not run inside a transaction, or holds across several. They need a connection that
is PostgreSQL's own, not one of a pooler that changes it between statements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from django.db import DatabaseError, InterfaceError, connection


@contextmanager
def alone_with(lock: int) -> Iterator[bool]:
    """Whether no other process is in a block of the same number; at once, without waiting."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [lock])
        (alone,) = cursor.fetchone()
    try:
        yield alone
    finally:
        if alone:
            with suppress(DatabaseError, InterfaceError), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [lock])


@contextmanager
def session_settings(values: Mapping[str, str]) -> Iterator[None]:
    """Settings of the session, since no transaction may be open around the block."""
    try:
        with connection.cursor() as cursor:
            for name, value in values.items():
                cursor.execute("SELECT set_config(%s, %s, false)", [name, value])
        yield
    finally:
        with suppress(DatabaseError, InterfaceError), connection.cursor() as cursor:
            for name in values:
                cursor.execute(f"RESET {name}")
