"""Jina's paid API as one account: its key, its plan, its client."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from embeddings.encoders.api.http import JsonClient
from embeddings.encoders.api.keys import key_reader
from embeddings.encoders.api.pacing import PLANS, Pacer, Plan
from embeddings.errors import CheckpointInvalid, EncoderUnavailable

JINA_URL = "https://api.jina.ai/v1"
KEY_NAME = "JINA_API_KEY"


def jina_client(url: str, *, api_key: str, plan: str, seconds: float = 60.0) -> JsonClient:
    """A client that keeps within `plan`, together with all others of this process and url.

    Raises CheckpointInvalid for a plan that there is not.
    """
    return JsonClient(
        url,
        key=_needed(key_reader(api_key, setting=KEY_NAME)),
        key_name=KEY_NAME,
        pacer=_pacer(plan, url),
        seconds=seconds,
    )


def jina_plan(name: str) -> Plan:
    """The limits of a plan. Raises CheckpointInvalid."""
    if name not in PLANS:
        raise CheckpointInvalid(f"No plan is called {name!r}; there are {', '.join(PLANS)}.")
    return PLANS[name]


def _needed(read: Callable[[], str]) -> Callable[[], str]:
    """As `read`, but without a key there is nothing to ask for."""

    def key() -> str:
        found = read()
        if not found:
            raise EncoderUnavailable(f"There is no key for Jina's API: set {KEY_NAME}.")
        return found

    return key


@cache
def _pacer(plan: str, url: str) -> Pacer:  # noqa: ARG001 - one for each url
    return jina_plan(plan).pacer()
