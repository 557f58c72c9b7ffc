"""Talk to the servers with the clients that the product uses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import redis

from config.runtime.servers import EmbeddedServers
from config.runtime.urls import ServiceUrls

ServersIn = Callable[[Path], EmbeddedServers]


def ask(urls: ServiceUrls, statement: str) -> str | None:
    """Run a statement in its own session; the first value of its first row, if it has any."""
    with psycopg.connect(urls.database_url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return None if row is None else str(row[0])


def remember(urls: ServiceUrls, value: str) -> None:
    """Write a value to both servers."""
    ask(urls, "CREATE TABLE IF NOT EXISTS kept (value text)")
    ask(urls, f"INSERT INTO kept VALUES ('{value}')")
    with redis.Redis.from_url(urls.redis_url) as client:
        client.set("kept", value)


def recall(urls: ServiceUrls) -> tuple[str | None, str | None]:
    """What both servers hold."""
    with redis.Redis.from_url(urls.redis_url, decode_responses=True) as client:
        value = client.get("kept")
    return ask(urls, "SELECT value FROM kept"), None if value is None else str(value)


def redis_setting(urls: ServiceUrls, name: str) -> str:
    """One line of Redis' configuration."""
    with redis.Redis.from_url(urls.redis_url, decode_responses=True) as client:
        return str(client.config_get(name)[name])
