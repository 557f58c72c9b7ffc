"""`manage.py index_run pause|resume|cancel|retry|pace --workspace SLUG [--version N] …`."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError

from embeddings.lifecycle import VersionState
from embeddings.management.options import (
    Night,
    VersionCommand,
    chosen_version,
    command_actor,
    night_window,
)
from embeddings.models import IndexVersion
from embeddings.services.running import (
    cancel_version,
    change_pace,
    pause_version,
    resume_version,
    retry_version,
)
from embeddings.services.starting import Pace

S = VersionState
MOVED = {"pause": pause_version, "resume": resume_version, "cancel": cancel_version}
# Of which version each is meant, if none is named.
MEANT = {
    "pause": (S.BUILDING,),
    "resume": (S.PAUSED,),
    "cancel": (S.BUILDING, S.PAUSED, S.FAILED),
    "retry": (S.BUILDING, S.FAILED),
    "pace": (S.BUILDING, S.PAUSED),
}
LIFTED = "none"


class Command(VersionCommand):
    """A run survives restarts of anything; these are for people who want it otherwise."""

    help = "Pause, resume, cancel or retry the building of an index version, or change its pace."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What, of which, and for `pace` how fast."""
        parser.add_argument("action", choices=sorted(MEANT))
        self.add_target(parser, default="the one that is being built")
        parser.add_argument("--reason", default="", help="kept with the version")
        parser.add_argument(
            "--tokens-per-second", type=_limit, metavar="N", help=f"of `pace`; {LIFTED} lifts it"
        )
        parser.add_argument(
            "--night", type=_night, metavar="HH:MM-HH:MM", help=f"of `pace`; {LIFTED} lifts it"
        )

    def run(
        self,
        *,
        action: str,
        workspace: str,
        number: int | None,
        reason: str,
        tokens_per_second: int | str | None,
        night: Night | str | None,
        **_: object,
    ) -> None:
        """Do it, and say where the version is then."""
        version = chosen_version(workspace, number, states=MEANT[action])
        if action == "pace":
            self._change_pace(version, tokens_per_second, night)
        elif action == "retry":
            count = retry_version(version, actor=command_actor(), reason=reason)
            self.stdout.write(f"Version {version.number}: {count} articles are tried again.")
        else:
            moved = MOVED[action](version, actor=command_actor(), reason=reason)
            state = moved.get_state_display().lower()
            self.stdout.write(f"Version {moved.number} is {state}.")

    def _change_pace(
        self, version: IndexVersion, limit: int | str | None, night: Night | str | None
    ) -> None:
        """What is not given stays as it is."""
        if limit is None and night is None:
            raise CommandError("say --tokens-per-second N, --night HH:MM-HH:MM, or none for either")
        pace: dict[str, Any] = {
            "tokens_per_second": version.tokens_per_second,
            "night_from": version.night_from,
            "night_until": version.night_until,
        }
        if limit is not None:
            pace["tokens_per_second"] = None if limit == LIFTED else limit
        if night is not None:
            window = (None, None) if isinstance(night, str) else night
            pace["night_from"], pace["night_until"] = window
        change_pace(version, pace=Pace(**pace))
        self.stdout.write(f"Version {version.number}: {_describe(Pace(**pace))}")


def _limit(text: str) -> int | str:
    if text == LIFTED:
        return text
    try:
        return int(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is neither a number nor {LIFTED}") from error


def _night(text: str) -> Night | str:
    return text if text == LIFTED else night_window(text)


def _describe(pace: Pace) -> str:
    limit = f"{pace.tokens_per_second:,} tokens/s" if pace.tokens_per_second else "no speed limit"
    if pace.night_from is None or pace.night_until is None:
        return f"{limit}, at any hour."
    return f"{limit}, from {pace.night_from:%H:%M} to {pace.night_until:%H:%M}."
