"""Real servers in a temporary folder, ended with the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.runtime.servers import EmbeddedServers
from tests.runtime.clients import ServersIn

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@pytest.fixture
def servers_in() -> Iterator[ServersIn]:
    """Make (not start) the servers of a data folder; they are stopped afterwards."""
    made: list[EmbeddedServers] = []

    def make(data_dir: Path) -> EmbeddedServers:
        made.append(EmbeddedServers(data_dir, postgres_options=FAST))
        return made[-1]

    yield make
    for servers in made:
        servers.stop()


@pytest.fixture
def servers(servers_in: ServersIn, tmp_path: Path) -> EmbeddedServers:
    """Running servers."""
    made = servers_in(tmp_path / "data")
    made.start()
    return made
