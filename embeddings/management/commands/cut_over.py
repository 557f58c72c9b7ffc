"""`manage.py cut_over --workspace SLUG [--version N] [--override REASON] [--waive REASON]`."""

from __future__ import annotations

from argparse import ArgumentParser

from embeddings.errors import GateRefused
from embeddings.management.options import VersionCommand, command_actor
from embeddings.services.cutting_over import cut_over, version_to_cut_over
from embeddings.services.running import version_of
from kb.commands import find_workspace


class Command(VersionCommand):
    """At once for every question; what was live stands by, and receives every edit."""

    help = "Have another index version answer questions, in one transaction."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which, and what to pass over."""
        self.add_target(parser, default="the one that is ready")
        parser.add_argument(
            "--override", default="", metavar="REASON", help="go on without the gate's consent"
        )
        parser.add_argument(
            "--waive", default="", metavar="REASON", help="leave parked articles behind"
        )
        parser.add_argument(
            "--timeout", type=float, metavar="SECONDS", help="of waiting for the last edits"
        )

    def run(
        self,
        *,
        workspace: str,
        number: int | None,
        override: str,
        waive: str,
        timeout: float | None,
        **_: object,
    ) -> None:
        """Cut over, or say what stands in the way."""
        found = find_workspace(workspace)
        version = version_to_cut_over(found) if number is None else version_of(found, number)
        try:
            moved = cut_over(
                version, actor=command_actor(), override=override, waiver=waive, patience=timeout
            )
        except GateRefused as refusal:
            self.tell_worst(refusal.worst)
            raise
        self.stdout.write(
            f"Version {moved.number} ({moved.encoder}) is live. Back again: roll_back "
            f"--workspace {workspace}"
        )
