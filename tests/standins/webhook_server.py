"""Somebody's server that takes webhooks; it checks signatures by the specification's text."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time

from tests.standins.server import LoopbackServer, Reply, Request

TOLERANCE_SECONDS = 300


class WebhookServer(LoopbackServer):
    """Takes what is signed with `secret`, 401 for anything else."""

    def __init__(self, *, secret: str = "") -> None:
        super().__init__()
        self.secret = secret

    def answer(self, request: Request) -> Reply:
        """204, unless it is not from us."""
        return Reply(status=200 if self.is_signed(request) else 401, body={})

    def is_signed(self, request: Request) -> bool:
        """base64(HMAC-SHA256(secret, id.timestamp.body)), sent within five minutes."""
        given = {name.lower(): value for name, value in request.headers.items()}
        at = given["webhook-timestamp"]
        key = base64.b64decode(self.secret.split("_", 1)[1])
        signed = b".".join([given["webhook-id"].encode(), at.encode(), request.content])
        expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        fresh = abs(time.time() - int(at)) < TOLERANCE_SECONDS
        return fresh and f"v1,{expected}" in given["webhook-signature"].split(" ")

    def ids(self) -> list[str]:
        """`webhook-id` of each request so far."""
        return [request.headers["webhook-id"] for request in self.requests]
