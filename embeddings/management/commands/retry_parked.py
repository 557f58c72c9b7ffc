"""`manage.py retry_parked --workspace SLUG`."""

from __future__ import annotations

from argparse import ArgumentParser

from embeddings.nudging import nudge_version
from embeddings.services.entries import retry_parked
from kb.commands import DomainCommand, find_workspace


class Command(DomainCommand):
    """For when the cause of a failure was mended; the sweep does it after six hours anyway."""

    help = "Have all parked articles of a workspace embedded again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The workspace."""
        parser.add_argument("--workspace", metavar="SLUG", required=True)

    def run(self, *, workspace: str, **_: object) -> None:
        """Reset, nudge, say how many."""
        found = find_workspace(workspace)
        count = retry_parked(found)
        for version in found.index_versions.active():
            nudge_version(version.pk, bulk=True)
        self.stdout.write(f"{count} articles will be tried again.")
