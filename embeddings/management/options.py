"""What the commands on index versions share: who asks, which version, in which hours."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Collection, Mapping, Sequence
from datetime import time
from typing import Any, TypeAlias

from django.core.management.base import CommandParser

from embeddings.errors import NoVersion
from embeddings.lifecycle import VersionState
from embeddings.models import IndexVersion
from embeddings.services.moving import Actor
from embeddings.services.running import version_of
from kb.commands import DomainCommand, find_workspace

Night: TypeAlias = tuple[time, time]
WORST_SHOWN = 10


def command_actor() -> Actor:
    """Whoever is logged in where the command runs."""
    try:
        return Actor(name=f"command ({getpass.getuser()})"[:200])
    except (KeyError, OSError):  # a container may know no name for its user
        return Actor(name="command")


class VersionCommand(DomainCommand):
    """A command on one index version, whose --version is that and not Django's."""

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        """Ours take the place of Django's options of the same name."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **options)

    def add_target(
        self, parser: ArgumentParser, *, default: str = "", required: bool = False
    ) -> None:
        """--workspace and --version."""
        parser.add_argument("--workspace", metavar="SLUG", required=True)
        usual = f" (default: {default})" if default else ""
        parser.add_argument(
            "--version",
            dest="number",
            type=int,
            metavar="N",
            required=required,
            help=f"number of the index version{usual}",
        )

    def tell_worst(self, worst: Sequence[Mapping[str, Any]]) -> None:
        """The questions for which the gate refused, worst first."""
        for each in worst[:WORST_SHOWN]:
            text = each.get("text") or each.get("question") or each.get("key") or "?"
            lost = each.get("difference")
            self.stderr.write(
                f"  {lost:+.3f}  {text}" if isinstance(lost, float | int) else f"  {text}"
            )


def night_window(text: str) -> Night:
    """ "22:00-06:00"; for argparse."""
    begins, _, ends = text.partition("-")
    try:
        return time.fromisoformat(begins.strip()), time.fromisoformat(ends.strip())
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no window like 22:00-06:00") from error


def chosen_version(
    slug: str, number: int | None, *, states: Collection[VersionState]
) -> IndexVersion:
    """The one of that number, or the only one in any of these states. Raises NoVersion."""
    workspace = find_workspace(slug)
    if number is not None:
        return version_of(workspace, number)
    found = list(workspace.index_versions.filter(state__in=states))
    if len(found) == 1:
        return found[0]
    names = " or ".join(state.label.lower() for state in states)
    if not found:
        raise NoVersion(f"{slug!r} has no index version that is {names}.")
    numbers = ", ".join(str(version.number) for version in found)
    raise NoVersion(f"{slug!r} has several versions that are {names} ({numbers}): name one.")
