"""`manage.py create_api_key --workspace SLUG --name NAME --scope SCOPE …`."""

from __future__ import annotations

from argparse import ArgumentParser

from kb.commands import DomainCommand, find_workspace
from kb.models import Scope
from kb.services import create_api_key


class Command(DomainCommand):
    """The token is printed once and stored nowhere."""

    help = "Create an API key of a workspace and print its token, once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Workspace, name, scopes."""
        parser.add_argument("--workspace", metavar="SLUG", required=True)
        parser.add_argument("--name", required=True)
        parser.add_argument(
            "--scope", action="append", choices=Scope.values, required=True, dest="scopes"
        )

    def run(self, *, workspace: str, name: str, scopes: list[str], **_: object) -> None:
        """Make it; the token alone goes to standard output."""
        _key, token = create_api_key(find_workspace(workspace), name=name, scopes=scopes)
        self.stdout.write(token)
