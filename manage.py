#!/usr/bin/env python
"""Django's command line, with PostgreSQL and Redis started first when no URL names them."""

from __future__ import annotations

import os
import sys

from config.runtime.errors import RuntimeFailure
from config.runtime.servers import ensure_services

NEED_NO_SERVERS = {
    "collectstatic",
    "compilemessages",
    "diffsettings",
    "encoders",
    "help",
    "makemessages",
    "runtime",
    "serve_encoder",
    "startapp",
    "version",
}


def needs_servers(arguments: list[str]) -> bool:
    """Whether a command line may reach the database or Redis."""
    if not arguments or {"-h", "--help"} & set(arguments) or arguments[0] == "--version":
        return False
    return arguments[0] not in NEED_NO_SERVERS


def main() -> None:
    """Run one command; a server that does not start is one line on stderr and status 1."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.setdefault("LOG_LEVEL", "WARNING")  # a command talks to a person
    if needs_servers(sys.argv[1:]):
        try:
            ensure_services()
        except RuntimeFailure as failure:
            sys.exit(f"error: {failure}")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
