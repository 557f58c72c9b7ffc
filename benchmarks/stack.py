"""Servers, migrated database and one worker in a temporary folder, for one benchmark."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

import django

from config.runtime.servers import EmbeddedServers


@contextmanager
def benchmark_stack(
    *,
    processes: bool = True,
    folder: Path | None = None,
    postgres_options: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """Django is set up inside the block; everything is gone after it.

    Without `processes` there is no worker. What is in a `folder` given stays there.
    """
    temporary = tempfile.TemporaryDirectory(prefix="unabridged-bench-")
    with nullcontext(str(folder)) if folder else temporary as place:
        servers = EmbeddedServers(Path(place), postgres_options=postgres_options)
        urls = servers.start()
        os.environ |= {
            "DATABASE_URL": urls.database_url,
            "REDIS_URL": urls.redis_url,
            "UNABRIDGED_DATA_DIR": place,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "LOG_LEVEL": "WARNING",
        }
        try:
            django.setup()
            from django.core.management import call_command

            call_command("migrate", verbosity=0)
            if processes:
                servers.start_processes()
            yield
        finally:
            servers.stop()
