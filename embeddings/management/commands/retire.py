"""`manage.py retire --workspace SLUG --version N [--now] [--reason R]`."""

from __future__ import annotations

from argparse import ArgumentParser

from embeddings.management.options import VersionCommand, command_actor
from embeddings.services.retiring import retire_version
from embeddings.services.running import version_of
from kb.commands import find_workspace


class Command(VersionCommand):
    """Its vectors are dropped in the background, in nobody's way."""

    help = "Retire an index version that is not needed any more; it cannot be rolled back to then."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which, and whether it may wait."""
        self.add_target(parser, required=True)
        parser.add_argument(
            "--now", action="store_true", help="before INDEX_SOAK_HOURS are over, too"
        )
        parser.add_argument("--reason", default="", help="kept with the version")

    def run(self, *, workspace: str, number: int, now: bool, reason: str, **_: object) -> None:
        """Retire it, or say why not yet."""
        version = version_of(find_workspace(workspace), number)
        moved = retire_version(version, actor=command_actor(), reason=reason, at_once=now)
        self.stdout.write(f"Version {moved.number} is retired; a worker frees its space.")
