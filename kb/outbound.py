"""Requests to addresses that people gave us: never to a machine of our own network.

A host's name is resolved once per request. Every address that it has must be a public one,
and the connection goes to an address that was checked: a name that is answered differently
the second time (DNS rebinding) gets nowhere. TLS still asks for, and checks, the host's name.
Redirects are not followed, proxies of the environment not used, no cookies kept, the answer
is read up to a limit and not decompressed, and the whole of it has a deadline.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpcore
import httpx

from kb import guarded_network
from kb.errors import OutboundFailed, OutboundRefused

MAX_URL_CHARACTERS = 2_000
MAX_PORT = 65_535
HOST = re.compile(rb"[a-z0-9_.:-]+", re.IGNORECASE)  # IDNA's, or an address


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the other server said; `content` is its beginning, header names are lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


def send(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    content: bytes = b"",
    seconds: float = 10.0,
    max_bytes: int = 65_536,
    allow_private: bool = False,
    resolve: guarded_network.Resolve = guarded_network.addresses_of,
) -> Answer:
    """One request, whatever its status. Raises OutboundRefused before anything is sent, or
    OutboundFailed (safe to retry).

    `allow_private` lets through addresses of our own network, and http to this very machine.
    """
    target = parse_url(url, allow_private=allow_private)
    guard = guarded_network.Guard(
        deadline=time.monotonic() + seconds,
        allow_private=allow_private,
        plain=target.scheme == "http",
        resolve=resolve,
    )
    try:
        with httpcore.ConnectionPool(
            ssl_context=guarded_network.ssl_context(), network_backend=guard
        ) as pool:
            return _ask(pool, method, _for_the_wire(target), headers, content, max_bytes)
    except httpcore.TimeoutException as error:
        raise OutboundFailed(f"No whole answer within {seconds:g} s.") from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise OutboundFailed(f"{target.host}: {error or type(error).__name__}"[:500]) from error


def parse_url(url: str, *, allow_private: bool = False) -> httpx.URL:
    """A URL that may be sent to, as far as its text tells. Raises OutboundRefused."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError, UnicodeError) as error:
        raise OutboundRefused(f"This is no URL: {error}.", field="url") from error
    if parsed.scheme not in ({"https", "http"} if allow_private else {"https"}) or not parsed.host:
        raise OutboundRefused("The address must begin with https:// and name a host.", field="url")
    if not HOST.fullmatch(parsed.raw_host) or (parsed.port or 1) > MAX_PORT:
        raise OutboundRefused("This is no URL: no such host or port.", field="url")
    if parsed.userinfo or parsed.fragment:
        raise OutboundRefused(
            "The address may hold neither a user name nor a password, and no #.", field="url"
        )
    if len(url) > MAX_URL_CHARACTERS:
        raise OutboundRefused(
            f"The address may have {MAX_URL_CHARACTERS} characters at most.", field="url"
        )
    return parsed


def _ask(
    pool: httpcore.ConnectionPool,
    method: str,
    url: httpcore.URL,
    headers: Mapping[str, str],
    content: bytes,
    max_bytes: int,
) -> Answer:
    read = b""
    with pool.stream(method, url, headers=list(headers.items()), content=content) as response:
        for chunk in response.iter_stream():
            read += chunk
            if len(read) >= max_bytes:
                break
        names = {name.decode("latin-1").lower(): value for name, value in response.headers}
    return Answer(
        status=response.status,
        headers={name: value.decode("latin-1") for name, value in names.items()},
        content=read[:max_bytes],
    )


def _for_the_wire(url: httpx.URL) -> httpcore.URL:
    """Its very parts: nobody parses the text a second time and reads another host in it."""
    return httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )
