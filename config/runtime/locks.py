"""File locks: the kernel drops them when their holder dies, so none is ever stale."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.runtime.errors import RuntimeFailure


def try_lock(path: Path) -> int | None:
    """An open, locked file descriptor of `path`, or None while another process holds it.

    A child that inherits the descriptor keeps the lock for as long as it lives.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def only_one(path: Path, *, timeout: float) -> Iterator[None]:
    """Run the block while no other process runs one with the same path.

    Raises RuntimeFailure after `timeout` seconds, with the holder's process id.
    """
    descriptor = _wait_for(path, timeout=timeout)
    try:
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _wait_for(path: Path, *, timeout: float) -> int:
    deadline = time.monotonic() + timeout
    while (descriptor := try_lock(path)) is None:
        if time.monotonic() > deadline:
            raise RuntimeFailure(
                f"process {path.read_text() or '?'} has been starting or stopping the embedded "
                f"servers for over {timeout:.0f} s (lock {path}): wait for it, or end it."
            )
        time.sleep(0.05)
    return descriptor
