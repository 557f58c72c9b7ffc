"""Advisory locks of a session of PostgreSQL: held across transactions, let go when it ends.

They need a connection that is PostgreSQL's own, not one of a pooler that changes it between
statements.
"""

from __future__ import annotations

from collections.abc import Iterator
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
