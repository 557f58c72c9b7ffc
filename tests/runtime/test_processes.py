"""Processes of ours: one at a time, ended for sure, never mistaken for another."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.runtime.errors import RuntimeFailure
from config.runtime.identity import birth_of, command_of, processes_titled
from config.runtime.locks import only_one
from config.runtime.processes import GATE, ManagedProcess

Make = Callable[..., ManagedProcess]
STUBBORN = (
    "import signal, time; signal.signal(15, signal.SIG_IGN);print('up', flush=True); time.sleep(60)"
)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[ManagedProcess] = []

    def process(*argv: str, grace: float = 5.0) -> ManagedProcess:
        made.append(
            ManagedProcess(
                name="sleeper",
                argv=argv,
                env=dict(os.environ),
                log_file=tmp_path / "log",
                pid_file=tmp_path / "pid",
                stop_signals=((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)),
            )
        )
        return made[-1]

    yield process
    for each in made:
        each.stop()


def _await_log(process: ManagedProcess) -> None:
    deadline = time.monotonic() + 10
    while not process.log_tail() and time.monotonic() < deadline:
        time.sleep(0.02)


def test_starting_twice_is_one_process(make: Make) -> None:
    process = make("sleep", "60")
    pid = process.start(note="v1")
    assert process.start(note="v2") == pid == process.pid
    assert process.note == "v1"
    assert os.getsid(pid) == pid
    process.stop()
    assert not process.alive
    assert not process.pid_file.exists()


def test_a_process_that_ignores_term_is_killed(make: Make) -> None:
    process = make(sys.executable, "-c", STUBBORN, grace=0.2)
    pid = process.start()
    _await_log(process)
    process.stop()
    assert birth_of(pid) is None


def test_a_dead_one_is_started_again(make: Make) -> None:
    process = make("sleep", "60")
    first = process.start()
    process.signal(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while process.alive and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.start() != first


def test_a_program_that_is_not_there_is_dead_and_says_so(make: Make) -> None:
    process = make("/nowhere/program")
    process.start()
    deadline = time.monotonic() + 5
    while process.alive and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not process.alive
    assert "/nowhere/program" in process.log_tail()


def test_a_lost_pid_file_does_not_make_two(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    process = make("sleep", "60")
    pid = process.start()
    noted = process.pid_file.read_text()
    process.pid_file.unlink()
    monkeypatch.setattr("config.runtime.processes.LOCK_SECONDS", 0.1)
    with pytest.raises(RuntimeFailure, match="fuser"):
        process.start()
    process.pid_file.write_text(noted)
    assert process.pid == pid


@pytest.mark.parametrize("content", ["", "nonsense", "[1]", '{"pid": "x"}', '{"pid": "1"}'])
def test_damaged_pid_files_name_nobody(make: Make, content: str) -> None:
    process = make("sleep", "60")
    process.pid_file.write_text(content)
    assert process.pid is None
    assert not process.signal(signal.SIGTERM)


def test_a_reused_id_is_not_ours(make: Make) -> None:
    process = make("sleep", "60")
    process.pid_file.write_text(json.dumps({"pid": str(os.getpid()), "birth": "long ago"}))
    process.stop()
    assert birth_of(os.getpid())


def test_the_command_waits_until_its_id_is_on_file(tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    command = ["/bin/sh", "-c", GATE, "sh", "touch", str(witness)]
    subprocess.run(command, stdin=subprocess.DEVNULL, check=False)
    assert not witness.exists(), "a starter that died must leave nothing behind"
    subprocess.run(command, input=b"go\n", check=True)
    assert witness.exists()


def test_a_big_log_is_put_aside(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.runtime.processes.LOG_BYTES", 3)
    process = make("sleep", "60")
    process.log_file.write_text("many lines")
    process.start()
    assert process.log_file.with_suffix(".old.log").read_text() == "many lines"


def test_the_start_lock_gives_up_and_names_its_holder(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    message = f"process {os.getpid()} "
    with only_one(lock, timeout=1), pytest.raises(RuntimeFailure, match=message):
        only_one(lock, timeout=0.1).__enter__()
    with only_one(lock, timeout=0.1):
        assert lock.read_text() == str(os.getpid())


def test_processes_are_found_by_title() -> None:
    with subprocess.Popen(["sleep", "61.5"]) as process:
        assert command_of(process.pid).startswith("sleep 61.5") or birth_of(process.pid)
        deadline = time.monotonic() + 5
        while not list(processes_titled("sleep 61.5")) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert list(processes_titled("sleep 61.5")) == [process.pid]
        process.kill()
