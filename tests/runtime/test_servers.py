"""Start, stop, settings, and what one data folder never does to another."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from config.runtime.errors import RuntimeFailure
from config.runtime.paths import PROJECT_ROOT, socket_dir
from config.runtime.servers import EmbeddedServers, ensure_services
from tests.runtime.clients import ServersIn, ask, recall, redis_setting, remember

START = (
    "import sys; from pathlib import Path; from config.runtime.servers import EmbeddedServers;"
    "servers = EmbeddedServers(Path(sys.argv[1]), postgres_options={'fsync': 'off'});"
    "servers.start(); print(servers.postgres.pid, servers.redis.pid)"
)


def test_start_is_quick_and_idle_when_all_is_up(servers: EmbeddedServers) -> None:
    before = servers.postgres.pid, servers.redis.pid
    began = time.monotonic()
    urls = servers.start()
    assert time.monotonic() - began < 0.15
    assert (servers.postgres.pid, servers.redis.pid) == before
    assert ask(urls, "SELECT current_database()") == "unabridged"


def test_stop_ends_both_and_twice_is_fine(servers: EmbeddedServers) -> None:
    servers.stop()
    servers.stop()
    assert servers.postgres.pid is None
    assert servers.redis.pid is None
    assert [process.answers for process in servers.status().processes] == [False] * 4


def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    servers = EmbeddedServers(tmp_path / "data")
    servers.stop()
    assert not any(process.pid for process in servers.status().processes)
    assert not servers.data_dir.exists()


def test_settings_and_no_tcp(servers: EmbeddedServers) -> None:
    urls = servers.urls
    assert ask(urls, "SHOW listen_addresses") == ""
    assert redis_setting(urls, "port") == "0"
    assert ask(urls, "SHOW max_locks_per_transaction") == "1024"
    assert ask(urls, "SHOW maintenance_work_mem") == "256MB"
    assert ask(urls, "SHOW fsync") == "off"
    assert redis_setting(urls, "appendonly") == "yes"
    assert redis_setting(urls, "maxmemory-policy") == "noeviction"
    assert ask(urls, "CREATE EXTENSION vector; SELECT '[1,2]'::vector") is None
    assert (servers.data_dir / ".gitignore").read_text() == "*\n"


def test_sockets_are_closed_to_others(servers: EmbeddedServers) -> None:
    sockets = servers.postgres.sockets
    assert sockets.stat().st_mode & 0o077 == 0
    assert (sockets / ".s.PGSQL.5432").stat().st_mode & 0o077 == 0
    assert servers.redis.socket.stat().st_mode & 0o077 == 0


def test_two_data_folders_side_by_side(servers: EmbeddedServers, servers_in: ServersIn) -> None:
    other = servers_in(servers.data_dir.parent / "other")
    other.start()
    remember(servers.urls, "one")
    remember(other.urls, "two")
    other.stop()
    assert recall(servers.start()) == ("one", "one")
    assert recall(other.start()) == ("two", "two")


def test_starts_at_once_make_one_server(servers_in: ServersIn, tmp_path: Path) -> None:
    data = tmp_path / "data"
    command = [sys.executable, "-c", START, str(data)]
    starters = [
        subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE) for _ in range(3)
    ]
    outputs = {starter.communicate(timeout=60)[0] for starter in starters}
    servers = servers_in(data)
    assert [starter.returncode for starter in starters] == [0, 0, 0]
    assert outputs == {f"{servers.postgres.pid} {servers.redis.pid}\n".encode()}


@pytest.mark.parametrize("folder", ["d" * 60 + "/" + "e" * 60, "a, b", "tab %41+é"])
def test_any_path_will_do(servers_in: ServersIn, tmp_path: Path, folder: str) -> None:
    servers = servers_in(tmp_path / folder)
    remember(servers.start(), "kept")
    assert recall(servers.urls) == ("kept", "kept")
    servers.stop()
    if not socket_dir(servers.data_dir).is_relative_to(tmp_path):
        shutil.rmtree(socket_dir(servers.data_dir))


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, 12345, 12345)
    with pytest.raises(RuntimeFailure, match="belongs to user id 12345"):
        EmbeddedServers(data).start()


def test_a_folder_that_is_no_cluster_is_kept(tmp_path: Path) -> None:
    precious = tmp_path / "data" / "postgres" / "letter.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("dear")
    with pytest.raises(RuntimeFailure, match="move it away"):
        EmbeddedServers(tmp_path / "data").start()
    assert precious.read_text() == "dear"


def test_ensure_services_starts_only_what_no_url_names(
    servers: EmbeddedServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNABRIDGED_DATA_DIR", str(servers.data_dir))
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/db")
    monkeypatch.delenv("REDIS_URL", raising=False)
    servers.stop()
    urls = ensure_services()
    assert urls.database_url == "postgresql://elsewhere/db"
    assert urls.redis_url == os.environ["REDIS_URL"] == servers.redis.url
    assert servers.redis.pid
    assert servers.postgres.pid is None
