"""The same as a normal user, and as root in a closed home folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from config.runtime.paths import PROJECT_ROOT
from config.runtime.servers import EmbeddedServers
from tests.runtime.clients import ServersIn, recall, remember

JOURNEY = """
import os, sys
from pathlib import Path
import psycopg
from config.runtime.servers import EmbeddedServers
servers = EmbeddedServers(Path(sys.argv[1]))
with psycopg.connect(servers.start().database_url) as session:
    session.execute("CREATE EXTENSION vector")
servers.postgres.kill(), servers.redis.kill()
with psycopg.connect(servers.start().database_url) as session:
    assert session.execute("SELECT '[1,2]'::vector").fetchone() == ("[1,2]",)
assert servers.redis.ready
assert servers.postgres.cluster.stat().st_uid == os.geteuid()
assert servers.data_dir.stat().st_mode & 0o777 == 0o700
servers.stop()
print("done", os.geteuid())
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that a user other than root reaches, unlike pytest's."""
    folder = Path(mkdtemp(prefix="unabridged-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def _as_nobody(python: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(PROJECT_ROOT), *sys.path])
    return subprocess.run(
        ["/usr/bin/env", python, *arguments],
        cwd="/",
        env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        user="nobody",
        group=65534,
        extra_groups=[],
    )


def _python_for_nobody() -> str | None:
    """Ours, or the system's of the same version when ours lies in a closed home folder."""
    same = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    probe = "import config.runtime.servers, psycopg"
    for python in (sys.executable, same):
        if not _as_nobody(python, "-c", probe).returncode:
            return python
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_as_a_normal_user(open_folder: Path) -> None:
    python = _python_for_nobody()
    if python is None:
        pytest.skip("no Python, checkout and packages here that another user can read")
    data = open_folder / "data"
    data.mkdir()
    shutil.chown(data, "nobody")
    done = _as_nobody(python, "-c", JOURNEY, str(data))
    assert done.stdout.startswith("done"), done.stderr
    shutil.rmtree(data)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as somebody else")
def test_root_in_a_closed_folder(servers_in: ServersIn, open_folder: Path) -> None:
    home = open_folder / "home"
    home.mkdir(mode=0o700)
    servers = servers_in(home / "data")
    remember(servers.start(), "kept")
    assert recall(servers.urls) == ("kept", "kept")
    assert home.stat().st_mode & 0o777 == 0o701, "passable, and still not readable"
    assert servers.postgres.cluster.stat().st_uid != 0
    servers.stop()


@pytest.mark.skipif(os.geteuid() == 0, reason="root's server runs as somebody else")
def test_a_normal_users_files_are_private(servers: EmbeddedServers) -> None:
    assert servers.data_dir.stat().st_mode & 0o777 == 0o700
    assert servers.postgres.cluster.stat().st_uid == os.geteuid()
