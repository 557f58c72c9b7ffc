"""`manage.py runtime start|stop|status`: the embedded servers of this checkout."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict

from django.core.management.base import BaseCommand, CommandError

from config.runtime.errors import RuntimeFailure
from config.runtime.paths import default_data_dir
from config.runtime.servers import EmbeddedServers, RuntimeStatus


class Command(BaseCommand):
    """Works while the database is down: it asks processes and sockets, never the ORM."""

    help = "Start, stop or show the embedded PostgreSQL, Redis and workers of this checkout."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One word, and JSON on request."""
        parser.add_argument("action", choices=["start", "stop", "status"])
        parser.add_argument("--json", action="store_true", help="print the state as JSON")

    def handle(self, *, action: str, json: bool, **_: object) -> None:
        """Do it, then say what runs."""
        servers = EmbeddedServers(default_data_dir())
        try:
            if action == "start":
                servers.start()
            elif action == "stop":
                servers.stop()
        except RuntimeFailure as failure:
            raise CommandError(str(failure)) from failure
        status = servers.status()
        self.stdout.write(_as_json(status) if json else _as_text(status))


def _as_json(status: RuntimeStatus) -> str:
    return json.dumps(asdict(status), indent=2)


def _as_text(status: RuntimeStatus) -> str:
    lines = [f"data folder  {status.data_dir}"]
    for process in status.processes:
        state = f"process {process.pid}" if process.pid else "stopped"
        silent = "" if process.answers or not process.pid else ", does not answer"
        lines.append(f"{process.name:<12} {state}{silent}")
    lines.append(f"DATABASE_URL {status.urls.database_url}")
    lines.append(f"REDIS_URL    {status.urls.redis_url}")
    return "\n".join(lines)
