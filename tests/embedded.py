"""Pytest plugin (`-p tests.embedded`): real PostgreSQL and Redis for one test session.

Loaded before pytest-django reads the settings, which take their URLs from the environment.
Each session has servers of its own in a temporary folder, so that any number of sessions
run side by side, and takes them down at its end.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from config.runtime.servers import EmbeddedServers

FAST_AND_LOOSE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

_folder: Path | None = None
_servers: EmbeddedServers | None = None


def _start() -> None:
    global _folder, _servers  # noqa: PLW0603 - one session, one set of servers
    _folder = Path(tempfile.mkdtemp(prefix="unabridged-tests-"))
    _servers = EmbeddedServers(_folder, postgres_options=FAST_AND_LOOSE)
    urls = _servers.start()
    os.environ["DATABASE_URL"], os.environ["REDIS_URL"] = urls.database_url, urls.redis_url
    os.environ["UNABRIDGED_DATA_DIR"] = str(_folder)
    os.environ["DATABASE_POOL"] = "0"
    os.environ["LOG_LEVEL"] = "WARNING"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def session_servers() -> EmbeddedServers:
    """The servers of this session, for tests that stop and start them."""
    if _servers is None:
        pytest.skip("the servers are not ours to stop: DATABASE_URL is set")
    return _servers


def pytest_unconfigure(config: pytest.Config) -> None:  # noqa: ARG001 - the shape of a hook
    """Take the servers down with the session."""
    if _servers is not None and _folder is not None:
        _servers.stop()
        shutil.rmtree(_folder, ignore_errors=True)


if "DATABASE_URL" not in os.environ:
    _start()
