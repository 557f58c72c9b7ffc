"""Connections for `kb.outbound`: to checked addresses only, and with a deadline for everything."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import httpcore
import httpx

from kb.addresses import is_loopback, is_public
from kb.errors import OutboundFailed, OutboundRefused

Resolve = Callable[[str, int], list[str]]


def addresses_of(host: str, port: int) -> list[str]:
    """Every address of a name, by the system's resolver. Raises OutboundFailed."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OutboundFailed(f"The name {host!r} cannot be resolved: {error}") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Guard(httpcore.NetworkBackend):
    """Connects to checked addresses only, and ends everything at a deadline."""

    def __init__(
        self, *, deadline: float, allow_private: bool, plain: bool, resolve: Resolve
    ) -> None:
        self._deadline, self._resolve = deadline, resolve
        self._allow_private, self._plain = allow_private, plain
        self._network = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline says it
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """To the first of the host's addresses that takes it, once all of them are checked."""
        addresses = self._checked(host, port)
        problem: Exception = httpcore.ConnectError("it has no address")
        for address in addresses:
            try:
                stream = self._network.connect_tcp(
                    address, port, time_left(self._deadline), local_address, socket_options
                )
            except httpcore.ConnectError as error:
                problem = error
            else:
                return _TimedStream(stream, self._deadline)
        raise problem

    def _checked(self, host: str, port: int) -> list[str]:
        addresses = self._resolve(host, port)
        if not self._allow_private and not all(map(is_public, addresses)):
            raise OutboundRefused(
                f"{host!r} leads to an address that is not public: nothing is sent there.",
                field="url",
            )
        if self._plain and not all(map(is_loopback, addresses)):
            raise OutboundRefused("http:// is for this very machine only.", field="url")
        return addresses


class _TimedStream(httpcore.NetworkStream):
    """A connection whose every step gets what is left until the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, time_left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, time_left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        left = time_left(self._deadline)
        return _TimedStream(
            self._stream.start_tls(ssl_context, server_hostname, left), self._deadline
        )

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - httpcore's
        return self._stream.get_extra_info(info)


def time_left(deadline: float) -> float:
    """Seconds. Raises httpcore.ReadTimeout when there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout
    return left


@cache
def ssl_context() -> ssl.SSLContext:
    """Trusts the usual authorities, whatever the environment says."""
    return httpx.create_ssl_context(trust_env=False)
