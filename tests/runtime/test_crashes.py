"""kill -9 of each part, leftovers of earlier runs, and starters that die half way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from config.runtime.errors import RuntimeFailure
from config.runtime.identity import birth_of
from config.runtime.paths import PROJECT_ROOT
from config.runtime.servers import EmbeddedServers
from tests.runtime.clients import ServersIn, ask, recall, remember
from tests.runtime.test_servers import START


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[EmbeddedServers]:
    """Running servers with the durability that users have."""
    made = EmbeddedServers(tmp_path / "data")
    made.start()
    yield made
    made.stop()


def test_data_survives_kill_9_of_both(servers: EmbeddedServers) -> None:
    for value in range(3):
        remember(servers.urls, str(value))
        servers.postgres.kill()
        servers.redis.kill()
        servers.start()
        assert recall(servers.urls) == ("0", str(value))


def test_a_session_that_outlives_its_server_is_ended(servers: EmbeddedServers) -> None:
    remember(servers.urls, "kept")
    with psycopg.connect(servers.urls.database_url) as session:
        backend = session.info.backend_pid
        os.kill(backend, signal.SIGSTOP)
        servers.postgres.kill()
        assert birth_of(backend)
        servers.start()
        assert not birth_of(backend)
        session.close()
    assert recall(servers.urls) == ("kept", "kept")


def test_a_reused_process_id_in_the_lock_files_of_postgres(servers: EmbeddedServers) -> None:
    owner = servers.postgres.cluster.stat().st_uid
    servers.postgres.kill()
    with subprocess.Popen(["sleep", "60"], user=owner if os.geteuid() == 0 else None) as stranger:
        for name in (
            servers.postgres.cluster / "postmaster.pid",
            servers.postgres.sockets / ".s.PGSQL.5432.lock",
        ):
            _, _, rest = name.read_text().partition("\n")
            name.write_text(f"{stranger.pid}\n{rest}")
        servers.start()
        assert ask(servers.urls, "SELECT 1") == "1"
        assert stranger.poll() is None
        stranger.kill()


def test_stop_spares_a_stranger_with_our_old_id(servers: EmbeddedServers) -> None:
    servers.stop()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        noted = json.dumps({"pid": str(stranger.pid), "birth": "another boot/1", "note": ""})
        for name in ("postgres", "redis", "worker", "beat"):
            (servers.data_dir / f"{name}.pid").write_text(noted)
        servers.stop()
        assert stranger.poll() is None
        stranger.kill()


def test_lost_sockets_are_made_again(servers: EmbeddedServers) -> None:
    remember(servers.urls, "kept")
    (servers.postgres.sockets / ".s.PGSQL.5432").unlink()
    servers.redis.socket.unlink()
    assert recall(servers.start()) == ("kept", "kept")


@pytest.mark.parametrize("after", [0.2, 0.4, 0.6])
def test_a_starter_killed_half_way(servers_in: ServersIn, tmp_path: Path, after: float) -> None:
    servers = servers_in(tmp_path / "data")
    command = [sys.executable, "-c", START, str(servers.data_dir)]
    with subprocess.Popen(
        command, cwd=PROJECT_ROOT, stdout=subprocess.DEVNULL, start_new_session=True
    ) as starter:
        time.sleep(after)
        starter.kill()
    remember(servers.start(), "kept")
    servers.stop()
    assert recall(servers.start()) == ("kept", "kept")


def test_a_start_that_fails_shows_the_log(tmp_path: Path) -> None:
    servers = EmbeddedServers(tmp_path / "data", postgres_options={"max_connections": "none"})
    with pytest.raises(RuntimeFailure, match='"max_connections"'):
        servers.start()
    assert servers.postgres.pid is None
