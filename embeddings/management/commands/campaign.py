"""`manage.py campaign start|status|pause|resume|stop …`."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from embeddings.encoders.strategies import STRATEGIES
from embeddings.management.options import command_actor, night_window
from embeddings.models import Campaign, CampaignOrder, CampaignState
from embeddings.services.campaigns import (
    campaign_named,
    pause_campaign,
    resume_campaign,
    start_campaign,
    stop_campaign,
)
from embeddings.services.starting import Pace
from embeddings.watching.campaign_status import CampaignStatus, campaign_status
from kb.commands import DomainCommand, find_workspace

LOOK_SECONDS = 2.0


class Command(DomainCommand):
    """Workers and the sweep do the work; this only says what is wanted."""

    help = "Re-embed many workspaces with one encoder, in order, so many at a time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One word says what to do."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        _add_start(actions.add_parser("start", help="begin a campaign"))
        status = actions.add_parser("status", help="show one, or all that are not done")
        status.add_argument("name", nargs="?")
        status.add_argument("--watch", action="store_true", help="until it is over")
        for action, meaning in MEANINGS.items():
            steering = actions.add_parser(action, help=meaning)
            steering.add_argument("name")
            steering.add_argument("--reason", default="", help="kept with it")
            if action == "stop":
                steering.add_argument("--cancel", action="store_true", help="give up its builds")
        for each in actions.choices.values():
            each.add_argument("--json", action="store_true", help="print JSON")

    def run(self, *, action: str, **options: Any) -> None:
        """Do it, and tell how it is."""
        if action == "status":
            self._status(**options)
            return
        campaign = _start(options) if action == "start" else _steer(action, options)
        self._tell([campaign], as_json=options["json"])

    def _status(self, *, name: str | None, watch: bool, **options: Any) -> None:
        if watch and name:
            self._watch(campaign_named(name))
        found = [campaign_named(name)] if name else list(Campaign.objects.unfinished())
        if not found and not options["json"]:
            self.stdout.write("No campaign is under way.")
            return
        self._tell(found, as_json=options["json"])

    def _watch(self, campaign: Campaign) -> None:
        """Redraw the table until nothing more happens by itself."""
        with Live(console=Console(stderr=True), transient=True) as screen:
            while campaign.state in (CampaignState.RUNNING, CampaignState.PAUSED):
                screen.update(table_of(campaign_status(campaign)))
                time.sleep(LOOK_SECONDS)
                campaign.refresh_from_db()

    def _tell(self, campaigns: list[Campaign], *, as_json: bool) -> None:
        found = [campaign_status(campaign) for campaign in campaigns]
        if as_json:
            told = [each.as_json() for each in found]
            self.stdout.write(json.dumps(told, indent=2))
            return
        console = Console(file=self.stdout, width=120)  # type: ignore[arg-type]  # it writes
        for each in found:
            console.print(table_of(each))
            if each.reason:
                console.print(each.reason, markup=False)


def table_of(status: CampaignStatus) -> Table:
    """One row per workspace."""
    share = f"{status.settled} of {len(status.workspaces)}"
    title = f"{status.name}: {status.encoder}, {status.state}, {share} workspaces done"
    table = Table("", "workspace", "state", "version", "articles", "", title=title)
    for turn in status.workspaces:
        articles = "" if turn.total is None else f"{turn.done:,} / {turn.total:,}"
        version = "" if turn.version is None else str(turn.version)
        table.add_row(
            str(turn.position), turn.workspace, turn.state, version, articles,
            turn.reason or turn.waits_for,
        )  # fmt: skip
    return table


MEANINGS = {
    "pause": "nothing new begins, and its builds rest",
    "resume": "go on, past what failed",
    "stop": "nothing new begins; its builds go on",
}
STEERING: dict[str, Callable[..., Campaign]] = {
    "pause": pause_campaign,
    "resume": resume_campaign,
    "stop": stop_campaign,
}


def _add_start(parser: ArgumentParser) -> None:
    parser.add_argument("name", help="what to call it")
    parser.add_argument("--encoder", metavar="NAME", required=True)
    parser.add_argument("--strategy", choices=STRATEGIES, help="default: the encoder's own")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--workspace", metavar="SLUG", action="append", help="more than once")
    which.add_argument("--all", action="store_true", help="all workspaces")
    parser.add_argument("--concurrency", type=int, default=1, metavar="N", help="at a time")
    parser.add_argument("--order", choices=CampaignOrder.values, default=CampaignOrder.SMALLEST)
    parser.add_argument("--keep-going", action="store_true", help="do not stop at a failure")
    parser.add_argument(
        "--cut-over", action="store_true", help="each by itself, once ready and if the gate lets it"
    )
    parser.add_argument("--tokens-per-second", type=int, metavar="N", help="limit for each build")
    parser.add_argument(
        "--night", type=night_window, metavar="HH:MM-HH:MM", help="bulk work only then"
    )


def _start(options: dict[str, Any]) -> Campaign:
    begins, ends = options["night"] or (None, None)
    slugs: list[str] = options["workspace"] or []
    return start_campaign(
        name=options["name"],
        encoder=options["encoder"],
        strategy=options["strategy"],
        workspaces=None if options["all"] else [find_workspace(slug) for slug in slugs],
        concurrency=options["concurrency"],
        order=options["order"],
        stop_on_failure=not options["keep_going"],
        cut_over=options["cut_over"],
        pace=Pace(
            tokens_per_second=options["tokens_per_second"], night_from=begins, night_until=ends
        ),
        actor=command_actor(),
    )


def _steer(action: str, options: dict[str, Any]) -> Campaign:
    more = {"cancel": options["cancel"]} if action == "stop" else {}
    campaign = campaign_named(options["name"])
    return STEERING[action](campaign, actor=command_actor(), reason=options["reason"], **more)
