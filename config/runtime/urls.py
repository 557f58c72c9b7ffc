"""Addresses of the two services, in the forms that their clients read. No heavy imports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceUrls:
    """What DATABASE_URL and REDIS_URL hold."""

    database_url: str
    redis_url: str


def postgres_url(socket_dir: Path, *, user: str, database: str, port: int) -> str:
    """A libpq URI over a unix socket; psycopg, psql and dj_database_url read it alike.

    The folder is a query parameter because URL parsers lower-case host names.
    """
    return f"postgresql://{user}@/{database}?host={quote(str(socket_dir))}&port={port}"


def redis_url(socket: Path) -> str:
    """The form that redis-py and Django's cache read; see `broker_url` for Celery's."""
    return f"unix://{quote(str(socket))}?db=0"


def broker_url(redis_url: str) -> str:
    """REDIS_URL as Celery wants it: `unix://` becomes `redis+socket://`, the rest stays.

    For the result backend too. A password (`unix://:secret@/path`) and the database are kept.
    """
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    database = parse_qs(parts.query).get("db", ["0"])[0]
    return f"redis+socket://{parts.netloc}{parts.path}?virtual_host={quote(database)}"
