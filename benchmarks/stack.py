"""Servers, migrated database and one worker in a temporary folder, for one benchmark."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django

from config.runtime.servers import EmbeddedServers


@contextmanager
def benchmark_stack() -> Iterator[None]:
    """Django is set up inside the block; everything is gone after it."""
    with tempfile.TemporaryDirectory(prefix="unabridged-bench-") as folder:
        servers = EmbeddedServers(Path(folder))
        urls = servers.start()
        os.environ |= {
            "DATABASE_URL": urls.database_url,
            "REDIS_URL": urls.redis_url,
            "UNABRIDGED_DATA_DIR": folder,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "LOG_LEVEL": "WARNING",
        }
        try:
            django.setup()
            from django.core.management import call_command

            call_command("migrate", verbosity=0)
            servers.start_processes()
            yield
        finally:
            servers.stop()
