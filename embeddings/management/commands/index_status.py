"""`manage.py index_status [--workspace SLUG] [--json] [--watch]`."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser

from django.core.management.base import CommandError
from django.db.models import QuerySet
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from embeddings.hnsw import IndexState
from embeddings.models import IndexVersion
from embeddings.services.entries import ensure_entries
from embeddings.watching.showing import duration
from embeddings.watching.status import VersionStatus, version_status
from kb.commands import DomainCommand, find_workspace

WATCH_SECONDS = 2.0
WIDTH = 140


class Command(DomainCommand):
    """What is searchable, what waits for what, what failed and why."""

    help = "Show the index versions of one workspace or of all, and what is left to embed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whose, and how."""
        parser.add_argument("--workspace", metavar="SLUG")
        parser.add_argument("--json", action="store_true", help="print a JSON list")
        parser.add_argument("--watch", action="store_true", help="look again until Ctrl-C")

    def run(self, *, workspace: str | None, json: bool, watch: bool, **_: object) -> None:
        """Count, then print."""
        versions = IndexVersion.objects.select_related("workspace")
        if workspace:
            versions = versions.filter(workspace=find_workspace(workspace))
        console = Console(file=self.stdout, width=WIDTH)  # type: ignore[arg-type]  # it writes
        if json and watch:
            raise CommandError("--json prints once: leave out --watch")
        if json:
            self.stdout.write(_as_json(_look(versions)))
        elif watch:
            _watch(versions, console)
        else:
            console.print(_picture(_look(versions)))


def _look(versions: QuerySet[IndexVersion]) -> list[VersionStatus]:
    """With what nobody has made an entry for yet."""
    for version in versions.filter(pk__in=IndexVersion.objects.active()):
        ensure_entries(version, bulk=True)
    return [version_status(version) for version in versions.all()]


def _watch(versions: QuerySet[IndexVersion], console: Console) -> None:
    try:
        with Live(_picture(_look(versions)), console=console, auto_refresh=False) as live:
            while True:
                time.sleep(WATCH_SECONDS)
                live.update(_picture(_look(versions)), refresh=True)
    except KeyboardInterrupt:
        return


def _as_json(statuses: list[VersionStatus]) -> str:
    return json.dumps([status.as_json() for status in statuses], indent=2)


def _picture(statuses: list[VersionStatus]) -> RenderableType:
    lines = [Text(line) for status in statuses for line in _lines(status)]
    return Group(_table(statuses), *lines)


def _table(statuses: list[VersionStatus]) -> Table:
    table = Table(
        "workspace", "version", "state", "encoder", "searchable", "pending", "embedding",
        "parked", "done", "tokens/s", "left", "oldest pending",
    )  # fmt: skip
    for s in statuses:
        table.add_row(
            s.workspace,
            str(s.version),
            s.state,
            s.encoder,
            *(f"{count:,}" for count in (s.searchable, s.pending, s.embedding, s.parked)),
            f"{s.percent:g} %" if s.total else "",
            f"{s.tokens_per_second:,.0f}" if s.tokens_per_second else "",
            duration(s.eta_seconds) if s.eta_seconds else "",
            f"{s.oldest_pending:%Y-%m-%d %H:%M:%S}" if s.oldest_pending else "",
        )
    return table


def _lines(status: VersionStatus) -> list[str]:
    """What a table has no room for."""
    name = f"{status.workspace} {status.version}"
    told = [
        f"{name}, {index.of}: {index.text}"
        for index in status.vector_indexes
        if index.state != IndexState.NONE
    ]
    if status.waits_for:
        told.append(f"{name} waits: {status.waits_for}")
    if status.problem and status.problem not in status.waits_for:
        told.append(f"{name}: {status.problem}")
    if status.verdict:
        told.append(
            f"{name}, {'passed' if status.verdict_allowed else 'refused'}: {status.verdict}"
        )
    if status.shadow_share:
        told.append(f"{name}: {status.shadow_share:.0%} of the live questions are asked of it too.")
    return [*told, *(f"parked in {status.workspace}: {reason}" for reason in status.parked_reasons)]
