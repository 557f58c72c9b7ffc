"""Each client reads the addresses that we hand out."""

from __future__ import annotations

from pathlib import Path

import dj_database_url
import pytest
from kombu import Connection
from psycopg.conninfo import conninfo_to_dict
from redis.connection import parse_url as redis_parse

from config.runtime.servers import EmbeddedServers
from config.runtime.urls import broker_url, postgres_url, redis_url

ODD = Path("/srv/My Dir/50%+é")


def test_postgres_url_is_read_alike_by_django_and_psycopg() -> None:
    url = postgres_url(ODD, user="unabridged", database="db", port=5432)
    django = dj_database_url.parse(url)
    assert django["NAME"] == "db"
    assert django["USER"] == "unabridged"
    assert django["HOST"] == ""
    assert django["OPTIONS"] == {"host": str(ODD), "port": 5432}
    psycopg = conninfo_to_dict(url)
    assert (psycopg["host"], psycopg["port"], psycopg["dbname"]) == (str(ODD), "5432", "db")


def test_redis_url_is_read_by_redis_py() -> None:
    parsed = redis_parse(redis_url(ODD / "redis.sock"))  # type: ignore[no-untyped-call]
    assert parsed["path"] == str(ODD / "redis.sock")
    assert parsed["db"] == 0


@pytest.mark.parametrize(
    ("given", "broker"),
    [
        ("redis://:pw@cache:6379/2", "redis://:pw@cache:6379/2"),
        ("rediss://cache/0?ssl_cert_reqs=required", "rediss://cache/0?ssl_cert_reqs=required"),
        ("unix:///run/redis.sock?db=3", "redis+socket:///run/redis.sock?virtual_host=3"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0"),
        ("unix://:pw@/run/r.sock?db=0", "redis+socket://:pw@/run/r.sock?virtual_host=0"),
    ],
)
def test_broker_url(given: str, broker: str) -> None:
    assert broker_url(given) == broker


def test_celery_talks_over_the_socket(servers: EmbeddedServers) -> None:
    with Connection(broker_url(servers.urls.redis_url)) as connection:
        queue = connection.SimpleQueue("letters")
        queue.put({"id": 1})
        message = queue.get(timeout=5)
        message.ack()
        queue.close()
    assert message.payload == {"id": 1}
