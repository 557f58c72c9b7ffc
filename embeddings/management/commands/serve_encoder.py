"""`manage.py serve_encoder [--encoder ALIAS …] [--reranker ALIAS …] [--host H] [--port P]`."""

from __future__ import annotations

import ipaddress
from argparse import ArgumentParser

import uvicorn
from django.conf import settings
from django.core.management.base import CommandError

from embeddings.server.app import EncoderServer
from embeddings.server.catalog import load_catalog
from kb.commands import DomainCommand

DRAIN_SECONDS = 30
# Longer than clients keep a connection: one must not be closed under a request.
KEEP_ALIVE_SECONDS = 75


class Command(DomainCommand):
    """One process with the weights. SIGTERM ends it once what it has in hand is answered."""

    help = "Serve encoders and rerankers over HTTP (/v1/embeddings, /v1/rerank)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to serve, where, and how much may wait."""
        parser.add_argument("--encoder", action="append", metavar="ALIAS", help="may be repeated")
        parser.add_argument("--reranker", action="append", metavar="ALIAS", help="may be repeated")
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8100)
        parser.add_argument("--max-queries", type=int, default=512, help="queries that may wait")
        parser.add_argument(
            "--max-bulk", type=int, default=64, help="requests of bulk work that may wait"
        )

    def run(
        self,
        *,
        encoder: list[str] | None,
        reranker: list[str] | None,
        host: str,
        port: int,
        max_queries: int,
        max_bulk: int,
        **_: object,
    ) -> None:
        """Load everything, then serve."""
        key = settings.ENCODER_API_KEY.get_secret_value() if settings.ENCODER_API_KEY else ""
        if not key and not _is_loopback(host):
            raise CommandError(
                f"--host {host} can be reached from elsewhere: set ENCODER_API_KEY first."
            )
        aliases = encoder or [settings.DEFAULT_ENCODER]
        self.stderr.write(f"Loading {', '.join([*aliases, *(reranker or [])])} …")
        catalog = load_catalog(aliases, reranker or [])
        server = EncoderServer(catalog, api_key=key, queries=max_queries, bulk=max_bulk)
        self.stderr.write(f"Serving at http://{host}:{port}/v1 (ENCODER_URL)")
        uvicorn.run(
            server.application(),
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
