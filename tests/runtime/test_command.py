"""`manage.py runtime` and the one-line errors, through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from config.runtime.paths import PROJECT_ROOT
from config.runtime.servers import EmbeddedServers
from tests.runtime.clients import ServersIn

pytestmark = pytest.mark.processes


def _run(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    named = {"DATABASE_URL", "REDIS_URL"}
    env = {name: value for name, value in os.environ.items() if name not in named}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT_ROOT,
        env={**env, "UNABRIDGED_DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        check=False,
    )


def _running(done: subprocess.CompletedProcess[str]) -> dict[str, bool]:
    assert done.returncode == 0, done.stderr
    return {process["name"]: process["answers"] for process in json.loads(done.stdout)["processes"]}


def _await_worker(servers: EmbeddedServers) -> None:
    """Until Celery's banner lists the queues, which comes after every import."""
    worker = servers.processes.all[0]
    deadline = time.monotonic() + 60
    while "[queues]" not in worker.log_tail(50) and worker.alive and time.monotonic() < deadline:
        time.sleep(0.1)
    assert worker.alive, worker.log_tail(20)


def test_start_status_stop(servers_in: ServersIn, tmp_path: Path) -> None:
    servers = servers_in(tmp_path / "data")
    started = _running(_run(servers.data_dir, "manage.py", "runtime", "start", "--json"))
    assert started == {"postgres": True, "redis": True, "worker": False, "beat": False}
    servers.postgres.kill()
    shown = _run(servers.data_dir, "manage.py", "runtime", "status")
    assert f"REDIS_URL    {servers.redis.url}" in shown.stdout
    assert "postgres     stopped" in shown.stdout
    stopped = _running(_run(servers.data_dir, "manage.py", "runtime", "stop", "--json"))
    assert not any(stopped.values())
    assert servers.redis.pid is None


def test_looking_starts_nothing(tmp_path: Path) -> None:
    for arguments in (["runtime", "stop"], ["migrate", "--help"]):
        done = _run(tmp_path / "data", "manage.py", *arguments)
        assert done.returncode == 0, done.stderr
    assert EmbeddedServers(tmp_path / "data").postgres.pid is None
    assert not (tmp_path / "data" / "postgres").exists()


@pytest.mark.parametrize(
    "command", [["manage.py", "showmigrations"], ["-m", "config.runtime", "prepare"]]
)
def test_a_failure_is_one_line(tmp_path: Path, command: list[str]) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = _run(blocked / "data", *command)
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot make ")
    assert done.stderr.count("\n") == 1


def test_prepare_migrates_once_and_runs_a_worker(servers_in: ServersIn, tmp_path: Path) -> None:
    servers = servers_in(tmp_path / "data")
    servers.start()
    first = _run(servers.data_dir, "-m", "config.runtime", "prepare")
    assert first.returncode == 0, first.stderr
    assert "migrating" in first.stderr
    _await_worker(servers)
    processes = {process.name: process.pid for process in servers.processes.all}
    assert all(processes.values())
    again = _run(servers.data_dir, "-m", "config.runtime", "prepare")
    assert (again.returncode, again.stderr) == (0, "")
    assert {process.name: process.pid for process in servers.processes.all} == processes
    stale = servers.data_dir / "worker.pid"
    stale.write_text(stale.read_text().replace('"note": "', '"note": "older '))
    _run(servers.data_dir, "-m", "config.runtime", "prepare")
    renewed = {process.name: process.pid for process in servers.processes.all}
    assert renewed["worker"] not in {None, processes["worker"]}
    assert renewed["beat"] == processes["beat"]
