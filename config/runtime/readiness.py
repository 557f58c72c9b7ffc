"""Ask a server over its socket whether it answers, in its own protocol and without a client.

A client library takes longer to import than the whole question (psycopg: 0.4 s).
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from config.runtime.errors import RuntimeFailure
from config.runtime.processes import ManagedProcess

PROTOCOL_3 = 196608
HEAD = struct.Struct("!cI")  # of a message: its kind, and its length with these four bytes


class Readiness(Enum):
    """What a server said."""

    READY = "ready"
    STARTING = "starting"
    NO_DATABASE = "no database"
    SILENT = "silent"


def ask_postgres(socket_path: Path, *, user: str, database: str) -> Readiness:
    """Open a real session in `database` and close it. Never raises."""
    parameters = f"user\0{user}\0database\0{database}\0\0".encode()
    hello = struct.pack("!II", len(parameters) + 8, PROTOCOL_3) + parameters
    try:
        with _connected(socket_path) as connection:
            connection.sendall(hello)
            return _greeting(connection)
    except OSError:
        return Readiness.SILENT


def ask_redis(socket_path: Path) -> Readiness:
    """Send PING. Never raises."""
    try:
        with _connected(socket_path) as connection:
            connection.sendall(b"PING\r\n")
            answer = connection.recv(64)
    except OSError:
        return Readiness.SILENT
    if answer.startswith(b"+PONG"):
        return Readiness.READY
    return Readiness.STARTING if answer.startswith(b"-LOADING") else Readiness.SILENT


def bring_up(
    process: ManagedProcess,
    *,
    answers: Callable[[], bool],
    timeout: float,
    before_start: Callable[[], None] = lambda: None,
) -> None:
    """Start `process` unless it lives, and wait until it answers.

    One that lives may be dying (killed this very moment): it is waited for, then started anew.
    Raises RuntimeFailure with the end of its log.
    """
    if process.alive and _wait(process, answers, timeout):
        return
    if not process.alive:
        before_start()
        process.start()
        if _wait(process, answers, timeout):
            return
    raise RuntimeFailure(
        f"{process.name} does not answer; see {process.log_file}:\n{process.log_tail()}"
    )


def _wait(process: ManagedProcess, answers: Callable[[], bool], timeout: float) -> bool:
    """Ask until the answer is yes; False when the process dies first or time is up."""
    deadline = time.monotonic() + timeout
    while not answers():
        if not process.alive or time.monotonic() > deadline:
            return answers()
        time.sleep(0.02)
    return True


def _connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(5)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection


def _greeting(connection: socket.socket) -> Readiness:
    """Read until ReadyForQuery or an error; anything but trust counts as silence."""
    with connection.makefile("rb") as stream:
        while len(head := stream.read(HEAD.size)) == HEAD.size:
            kind, length = HEAD.unpack(head)
            body = stream.read(length - 4)
            if kind == b"E":
                return _refusal(body)
            if kind == b"Z":
                connection.sendall(b"X" + struct.pack("!I", 4))
                return Readiness.READY
    return Readiness.SILENT


def _refusal(body: bytes) -> Readiness:
    codes = {part[1:] for part in body.split(b"\0") if part[:1] == b"C"}
    if b"3D000" in codes:
        return Readiness.NO_DATABASE
    if b"53300" in codes:  # too many connections: up, and busy
        return Readiness.READY
    return Readiness.STARTING if b"57P03" in codes else Readiness.SILENT
