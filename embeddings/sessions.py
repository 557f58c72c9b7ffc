"""What a session of PostgreSQL keeps beyond one transaction: advisory locks and settings.

For statements that may not run inside a transaction. They need a connection that is
PostgreSQL's own, not one of a pooler that changes it between statements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from django.db import DatabaseError, InterfaceError, connection

from kb.sessions import alone_with

__all__ = ["alone_with", "session_settings"]


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
