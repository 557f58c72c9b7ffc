"""`manage.py roll_back --workspace SLUG [--version N] [--reason R] [--anyway]`."""

from __future__ import annotations

from argparse import ArgumentParser

from embeddings.management.options import VersionCommand, command_actor
from embeddings.services.cutting_over import roll_back
from embeddings.services.running import version_of
from kb.commands import find_workspace


class Command(VersionCommand):
    """The version before has received every edit meanwhile: nothing is lost."""

    help = "Go back to the index version that was live before, in one transaction."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """To which, why, and how urgently."""
        self.add_target(parser, default="the one that was live last")
        parser.add_argument("--reason", default="", help="kept with the version")
        parser.add_argument(
            "--anyway",
            action="store_true",
            help="now, although its encoder is not warm or some articles are not in it yet",
        )
        parser.add_argument(
            "--timeout", type=float, metavar="SECONDS", help="of waiting for the last edits"
        )

    def run(
        self,
        *,
        workspace: str,
        number: int | None,
        reason: str,
        anyway: bool,
        timeout: float | None,
        **_: object,
    ) -> None:
        """Go back, or say what stands in the way."""
        found = find_workspace(workspace)
        moved = roll_back(
            found,
            actor=command_actor(),
            reason=reason,
            version=None if number is None else version_of(found, number),
            anyway=anyway,
            patience=timeout,
        )
        self.stdout.write(f"Version {moved.number} ({moved.encoder}) is live again.")
