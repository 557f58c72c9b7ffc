"""`manage.py import_articles PATH --workspace SLUG [--publish] [--wait]`."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

from django.core.management.base import CommandError
from django.db import transaction
from django.utils import timezone

from embeddings.encoders.registry import configuration, get_encoder
from embeddings.filling.loop import embed_pending
from embeddings.live import live_version
from embeddings.models import IndexEntry, WorkerHeartbeat
from embeddings.services.versions import check_encoder_of, ensure_first_version
from embeddings.waiting import Progress, wait_until_searchable
from kb.commands import DomainCommand, find_workspace
from kb.importing import (
    ImportProgress,
    ImportReport,
    Reading,
    accept_import,
    import_articles,
    read_items,
)
from kb.languages import Language
from kb.models import Workspace
from kb.progress import progress_bar
from kb.services import create_workspace

HEARD_WITHIN = timedelta(seconds=45)


class Command(DomainCommand):
    """Everything is checked before anything is stored; running it twice changes nothing."""

    help = (
        "Import Markdown, HTML, PDF, DOCX, CSV or JSONL (also a BEIR corpus.jsonl): "
        "a file, a folder or a zip."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Path and options."""
        parser.add_argument("path", type=Path)
        parser.add_argument(
            "--workspace", metavar="SLUG", required=True, help="made if there is none"
        )
        parser.add_argument(
            "--encoder", metavar="NAME", help="of a workspace that has no index yet"
        )
        parser.add_argument("--no-create", action="store_true", help="the workspace must exist")
        parser.add_argument("--publish", action="store_true")
        parser.add_argument(
            "--wait", action="store_true", help="until all that is published is searchable"
        )
        parser.add_argument(
            "--timeout", type=float, default=300, help="seconds without progress (default 300)"
        )
        parser.add_argument("--skip-bad", action="store_true", help="import what is not faulty")
        parser.add_argument(
            "--language", choices=Language.values, help="of items that do not say theirs"
        )
        parser.add_argument("--json", action="store_true", help="print the report as JSON")

    def run(
        self,
        *,
        path: Path,
        workspace: str,
        encoder: str | None,
        no_create: bool,
        publish: bool,
        wait: bool,
        timeout: float,
        skip_bad: bool,
        language: str | None,
        json: bool,
        **_: object,
    ) -> None:
        """Import, report, and wait if asked to."""
        readings = list(read_items(path, language=language))
        if encoder:
            self._introduce(encoder)
        if not no_create and not Workspace.objects.filter(slug=workspace).exists():
            self._make_workspace(workspace, readings, encoder, skip_bad=skip_bad)
        target = find_workspace(workspace)
        if encoder:
            check_encoder_of(target, encoder=encoder)
        with progress_bar("Importing") as show:

            def stored(now: ImportProgress) -> None:
                show(now.done, now.total)

            report = import_articles(
                target,
                readings,
                publish=publish,
                skip_bad=skip_bad,
                on_progress=stored,
            )
        searchable = self._wait(target, timeout) if wait else None
        self._tell(report, searchable, as_json=json)
        if searchable and searchable.parked:
            self._complain_of_parked(target)

    def _make_workspace(
        self, slug: str, readings: list[Reading], encoder: str | None, *, skip_bad: bool
    ) -> None:
        """Not for an import that is then refused."""
        accept_import(Workspace(slug=slug), readings, skip_bad=skip_bad)
        with transaction.atomic():  # its index is there before anybody can add a default one
            ensure_first_version(create_workspace(slug=slug), encoder=encoder)
        self.stderr.write(f"There was no workspace {slug!r}; it was made.")

    def _introduce(self, alias: str) -> None:
        """Loads its configuration, so that one which is not usable stops the import here."""
        get_encoder(alias)
        self.stderr.write(f"Encoder {alias}: {configuration(alias).get('LICENCE', 'your own')}")

    def _wait(self, workspace: Workspace, timeout: float) -> Progress:
        if not _worker_alive():
            self.stderr.write("No worker has been heard of; embedding in this process.")
            embed_pending(live_version(workspace))
        with progress_bar("Embedding") as show:

            def searchable(now: Progress) -> None:
                show(now.done + now.parked, now.total)

            return wait_until_searchable(workspace, timeout=timeout, on_progress=searchable)

    def _tell(self, report: ImportReport, searchable: Progress | None, *, as_json: bool) -> None:
        if as_json:
            known = {"searchable": searchable.done} if searchable else {}
            self.stdout.write(json.dumps(asdict(report) | known))
            return
        for problem in report.problems:
            self.stderr.write(f"skipped: {problem}")
        if report.ignored:
            self.stderr.write(f"{len(report.ignored)} other files hold no articles.")
        if report.left_archived:
            self.stderr.write(f"{report.left_archived} archived articles stay archived.")
        self.stdout.write(
            f"{report.created} created, {report.updated} updated, {report.unchanged} unchanged, "
            f"{report.published} published, {report.skipped} skipped"
        )
        if searchable:
            self.stdout.write(f"{searchable.done} of {searchable.total} articles are searchable.")

    def _complain_of_parked(self, workspace: Workspace) -> None:
        parked = IndexEntry.objects.parked().current().select_related("revision")
        for entry in parked.filter(index_version=live_version(workspace)):
            self.stderr.write(f"{entry.revision.title}: {entry.reason}")
        raise CommandError("some articles could not be embedded; see above, then retry_parked")


def _worker_alive() -> bool:
    since = timezone.now() - HEARD_WITHIN
    return WorkerHeartbeat.objects.filter(seen_at__gte=since).exists()
