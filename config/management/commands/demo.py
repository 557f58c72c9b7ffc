"""`bin/demo`: everything running, the sample loaded, three questions asked over HTTP."""

from __future__ import annotations

import os
import time
from argparse import ArgumentParser

import httpx
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from config.demo.conversation import QUESTIONS, Turn, ask
from config.demo.sample import Credentials, issue_credentials, load_sample
from config.demo.stack import Stack, running_stack
from config.runtime.errors import RuntimeFailure
from embeddings.waiting import Progress as Embedded
from kb.errors import DomainError
from kb.progress import progress_bar


class Command(BaseCommand):
    """Stays up until Ctrl-C; with --check it ends with 0 if all answers were grounded, else 1."""

    help = "Set everything up, load the sample knowledge base, ask three questions, stay up."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One flag."""
        parser.add_argument("--check", action="store_true", help="ask, then stop (exit 0 or 1)")

    def handle(self, *, check: bool, **_: object) -> None:
        """Run the main job from end to end."""
        try:
            call_command("migrate", verbosity=0, interactive=False)
            with running_stack() as stack:
                credentials = self._prepare()
                turns = [self._ask(stack, credentials, question) for question in QUESTIONS]
                self._summarise(stack, credentials)
                if not check:
                    self._stay_up()
        except (RuntimeFailure, DomainError, httpx.HTTPError) as error:
            raise CommandError(str(error)) from error
        if not all(turn.grounded for turn in turns):
            raise CommandError("not every answer came with quotes that are in their article")

    def _prepare(self) -> Credentials:
        with progress_bar("Embedding the sample articles") as show:

            def searchable(now: Embedded) -> None:
                show(now.done, now.total)

            workspace = load_sample(searchable)
        return issue_credentials(workspace)

    def _ask(self, stack: Stack, credentials: Credentials, question: str) -> Turn:
        turn = ask(stack.url, credentials.token, question)
        self.stdout.write(f"\nQ  {turn.question}\nA  {turn.answer}")
        for quote in turn.quotes:
            proof = "verbatim" if quote.verbatim else "NOT FOUND THERE"
            place = f"{quote.title}, characters {quote.start} to {quote.end}, {proof}"
            self.stdout.write(f"   [{quote.number}] “{quote.text}”\n       {place}")
        return turn

    def _summarise(self, stack: Stack, credentials: Credentials) -> None:
        self.stdout.write(
            f"\nAdmin     {stack.url}/admin/   {credentials.username} / {credentials.password}"
            f"\nAPI docs  {stack.url}/api/docs/"
            f"\nAPI key   {credentials.token}"
            f"\nHealth    {stack.url}/health/ready"
            f"\nLogs      {os.path.relpath(stack.log_folder)}"
        )

    def _stay_up(self) -> None:
        self.stdout.write("\nRunning. Ctrl-C stops it.")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            self.stdout.write("\nStopping.")
