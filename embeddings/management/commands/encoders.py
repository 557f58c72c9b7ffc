"""`manage.py encoders [ALIAS …] [--check] [--json]`."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from rich.console import Console
from rich.table import Table

from embeddings.checking import EncoderCheck, check_encoder
from embeddings.encoders.families import Family, family_of
from embeddings.encoders.registry import configuration
from kb.commands import DomainCommand


class Command(DomainCommand):
    """What can be chosen for an index, under what licence, and whether it works here."""

    help = "List the configured encoders; with names, or --check, load and try them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which, and how much of it."""
        parser.add_argument("aliases", nargs="*", metavar="ALIAS")
        parser.add_argument(
            "--check",
            action="store_true",
            help="load and try all (may fetch gigabytes, or spend tokens of a paid API)",
        )
        parser.add_argument("--json", action="store_true", help="print a JSON list")

    def run(self, *, aliases: list[str], check: bool, json: bool, **_: object) -> None:
        """List, or try one after the other; status 1 if one does not work."""
        chosen = aliases or sorted(settings.ENCODERS)
        described = [_describe(alias) for alias in chosen]
        checks = [check_encoder(alias) for alias in chosen] if check or aliases else []
        if json:
            self.stdout.write(_as_json(described, checks))
        else:
            _print(described, checks, Console(file=self.stdout, width=160))  # type: ignore[arg-type]  # it writes
        failed = [each.alias for each in checks if each.problem]
        if failed:
            raise CommandError(f"not usable here: {', '.join(failed)}")


def _describe(alias: str) -> dict[str, Any]:
    entry = configuration(alias)
    family = family_of(entry["BACKEND"])
    return {
        "alias": alias,
        "default": alias == settings.DEFAULT_ENCODER,
        "family": family.name if family else "your own",
        "context": entry.get("CONTEXT") or (family.context if family else ""),
        "dimensions": entry.get("DIMENSIONS") or (family.dimensions if family else ""),
        "tasks": family.tasks if family else "",
        "strategy": entry["STRATEGY"],
        "licence": entry.get("LICENCE") or _licence(family),
    }


def _licence(family: Family | None) -> str:
    return family.licence if family else "not said"


def _as_json(described: list[dict[str, Any]], checks: list[EncoderCheck]) -> str:
    tried = {each.alias: asdict(each) for each in checks}
    return json.dumps([each | tried.get(each["alias"], {}) for each in described], indent=2)


def _print(described: list[dict[str, Any]], checks: list[EncoderCheck], console: Console) -> None:
    table = Table("encoder", "family", "context", "dimensions", "strategy", "tasks", "licence")
    for each in described:
        name = f"{each['alias']} (default)" if each["default"] else each["alias"]
        columns = ("family", "context", "dimensions", "strategy", "tasks", "licence")
        table.add_row(name, *(each[column] for column in columns))
    console.print(table)
    if checks:
        console.print(_checks_table(checks))
    for check in checks:
        if check.problem:
            console.print(f"{check.alias}: {check.problem}", markup=False)


def _checks_table(checks: list[EncoderCheck]) -> Table:
    table = Table(
        "encoder", "works", "dimensions", "window", "loaded in", "question", "articles", "memory"
    )
    for each in checks:
        if each.problem:
            table.add_row(each.alias, "no")
            continue
        table.add_row(
            each.alias,
            "yes",
            str(each.dimension),
            f"{each.window:,} tokens",
            f"{each.load_seconds} s",
            f"{each.query_milliseconds} ms",
            f"{each.tokens_per_second:,} tokens/s",
            f"+{each.megabytes:,} MB",
        )
    return table
