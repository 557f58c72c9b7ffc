"""`manage.py reembed --workspace SLUG --encoder NAME [--strategy S] [--wait] [--cut-over] …`."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from embeddings.encoders.strategies import STRATEGIES
from embeddings.errors import GateRefused
from embeddings.estimates.estimating import Estimate, estimate
from embeddings.lifecycle import VersionState
from embeddings.management.options import Night, VersionCommand, command_actor, night_window
from embeddings.models import IndexVersion
from embeddings.services.starting import Pace, start_version
from embeddings.watching.following import follow_version
from embeddings.watching.progress import version_progress
from embeddings.watching.showing import estimate_lines, version_bar
from embeddings.watching.status import version_status
from kb.commands import find_workspace

READY = (VersionState.READY, VersionState.LIVE, VersionState.STANDBY)
INTERRUPTED = 130  # the shell's status for Ctrl-C


class Command(VersionCommand):
    """The live version goes on answering; nothing changes for it before the cut-over."""

    help = (
        "Build an index with another encoder, or another strategy, beside the live one; "
        "first says what that takes."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to build, how fast, and how long to stay."""
        parser.add_argument("--workspace", metavar="SLUG", required=True)
        parser.add_argument("--encoder", metavar="NAME", required=True)
        parser.add_argument("--strategy", choices=STRATEGIES, help="default: the encoder's own")
        parser.add_argument("--estimate", action="store_true", help="only say what it takes")
        parser.add_argument(
            "--try-paid", action="store_true", help="let the estimate spend tokens of a paid API"
        )
        parser.add_argument("--wait", action="store_true", help="until it is ready, or live")
        parser.add_argument(
            "--timeout", type=float, metavar="SECONDS", help="of waiting without any progress"
        )
        parser.add_argument(
            "--cut-over", action="store_true", help="by itself, once ready and if the gate lets it"
        )
        parser.add_argument("--tokens-per-second", type=int, metavar="N", help="speed limit")
        parser.add_argument(
            "--night", type=night_window, metavar="HH:MM-HH:MM", help="bulk work only then"
        )
        parser.add_argument(
            "--shadow",
            type=float,
            default=0.0,
            metavar="SHARE",
            help="of the live questions to ask of it too, once it is ready (0 to 1)",
        )
        parser.add_argument("--reason", default="", help="kept with the version")
        parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def run(self, *, workspace: str, json: bool, wait: bool, **options: Any) -> None:
        """Estimate, start, and stay if asked to."""
        found = estimate(
            find_workspace(workspace),
            encoder=options["encoder"],
            strategy=options["strategy"],
            try_paid=options["try_paid"],
        )
        if not json:
            self.stdout.write("\n".join(estimate_lines(found)))
        if options["estimate"]:
            if json:
                self._print({"estimate": found.as_json()})
            return
        if found.warnings and not options["yes"] and found.same_as is None:
            self._ask()
        version = self._start(found, **options)
        if wait:
            version = self._wait(version, live=options["cut_over"], timeout=options["timeout"])
        self._tell(version, found, as_json=json)

    def _ask(self) -> None:
        """Of a person only; a script has decided already."""
        if sys.stdin.isatty() and sys.stdout.isatty():
            answer = input("Start all the same? [y/N] ")
            if answer.strip().lower() not in {"y", "yes"}:
                raise CommandError("nothing was started")

    def _start(self, found: Estimate, **options: Any) -> IndexVersion:
        night: Night | None = options["night"]
        begins, ends = night or (None, None)
        return start_version(
            find_workspace(found.workspace),
            encoder=found.encoder,
            actor=command_actor(),
            reason=options["reason"],
            pace=Pace(
                tokens_per_second=options["tokens_per_second"],
                night_from=begins,
                night_until=ends,
            ),
            cut_over=options["cut_over"],
            shadow_share=options["shadow"],
            estimate=found.as_json(),
        )

    def _wait(self, version: IndexVersion, *, live: bool, timeout: float | None) -> IndexVersion:
        until = (VersionState.LIVE,) if live else READY
        try:
            with version_bar(self.stderr.write) as look:
                return follow_version(version, until=until, on_look=look, patience=timeout)
        except GateRefused as refusal:
            self.tell_worst(refusal.worst)
            raise
        except KeyboardInterrupt:
            raise CommandError(
                f"no longer waiting; version {version.number} goes on. {_how_to_go_on(version)}",
                returncode=INTERRUPTED,
            ) from None

    def _tell(self, version: IndexVersion, found: Estimate, *, as_json: bool) -> None:
        progress = version_progress(version)
        if as_json:
            status = version_status(version).as_json()
            self._print({"estimate": found.as_json(), "version": version.number, "status": status})
            return
        self.stdout.write(
            f"Version {version.number} is {version.get_state_display().lower()}: "
            f"{progress.done:,} of {progress.total:,} articles. {_how_to_go_on(version)}"
        )
        if progress.waits_for:
            self.stdout.write(progress.waits_for)

    def _print(self, answer: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(answer, default=str, indent=2))


def _how_to_go_on(version: IndexVersion) -> str:
    slug = version.workspace.slug
    if version.state == VersionState.LIVE:
        return f"Back again: roll_back --workspace {slug}"
    return f"Follow it: index_status --workspace {slug} --watch"
