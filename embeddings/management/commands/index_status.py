"""`manage.py index_status [--workspace SLUG] [--json]`."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from embeddings.hnsw import IndexState
from embeddings.models import IndexVersion
from embeddings.services.entries import ensure_entries
from embeddings.status import VersionStatus, version_status
from kb.commands import DomainCommand, find_workspace


class Command(DomainCommand):
    """What is searchable, what waits, what failed and why."""

    help = "Show the index versions of one workspace or of all, and what is left to embed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Two options."""
        parser.add_argument("--workspace", metavar="SLUG")
        parser.add_argument("--json", action="store_true", help="print a JSON list")

    def run(self, *, workspace: str | None, json: bool, **_: object) -> None:
        """Count, then print."""
        versions = IndexVersion.objects.select_related("workspace")
        if workspace:
            versions = versions.filter(workspace=find_workspace(workspace))
        for version in versions.active():
            ensure_entries(version, bulk=True)
        statuses = [version_status(version) for version in versions]
        if json:
            self.stdout.write(_as_json(statuses))
        else:
            _print_table(statuses, Console(file=self.stdout, width=120))  # type: ignore[arg-type]  # it writes


def _as_json(statuses: list[VersionStatus]) -> str:
    return json.dumps([asdict(status) for status in statuses], default=str, indent=2)


def _print_table(statuses: list[VersionStatus], console: Console) -> None:
    table = Table(
        "workspace", "version", "state", "encoder", "searchable", "pending", "embedding",
        "parked", "oldest pending",
    )  # fmt: skip
    for s in statuses:
        oldest = f"{s.oldest_pending:%Y-%m-%d %H:%M:%S}" if s.oldest_pending else ""
        counts = (s.searchable, s.pending, s.embedding, s.parked)
        table.add_row(s.workspace, str(s.version), s.state, s.encoder, *map(str, counts), oldest)
    console.print(table)
    for s in statuses:
        for index in s.vector_indexes:
            if index.state != IndexState.NONE:
                line = f"{s.workspace} {s.version}, {index.of}: {index.text}"
                console.print(line, markup=False)
        for reason in s.parked_reasons:
            console.print(f"parked in {s.workspace}: {reason}", markup=False)
