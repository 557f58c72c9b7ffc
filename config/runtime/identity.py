"""Tell one process from another that later got the same id."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")


def birth_of(pid: int) -> str | None:
    """When this process started, as a text to compare; None when it is gone or a zombie."""
    if pid <= 0:
        return None
    _reap(pid)
    return _birth_from_proc(pid) if sys.platform == "linux" else _birth_from_ps(pid)


def command_of(pid: int) -> str:
    """The command line, joined by spaces; empty when the process is gone."""
    if sys.platform != "linux":
        return _ps(pid, "command=")
    try:
        return os.fsdecode((PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" "))
    except OSError:
        return ""


def processes_titled(prefix: str) -> Iterator[int]:
    """The live processes whose command line starts with `prefix`. Linux only, else none."""
    for entry in PROC.glob("[0-9]*"):
        pid = int(entry.name)
        if command_of(pid).startswith(prefix) and birth_of(pid):
            yield pid


def _birth_from_proc(pid: int) -> str | None:
    try:
        stat = (PROC / str(pid) / "stat").read_text(errors="replace")
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # after the name: state is field 3, start is 22
    return None if fields[0] in "ZX" else f"{boot}/{fields[19]}"


def _birth_from_ps(pid: int) -> str | None:
    state, _, started = _ps(pid, "state=,lstart=").partition(" ")
    return None if not state or state.startswith("Z") else started.strip()


def _ps(pid: int, columns: str) -> str:
    done = subprocess.run(
        ["ps", "-p", str(pid), "-o", columns], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def _reap(pid: int) -> None:
    """Let a dead child of ours go, which else counts as a process until we end."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except OSError:
        return
