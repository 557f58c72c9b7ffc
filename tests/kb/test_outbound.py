"""Requests to addresses that people gave: what is refused, and what the other side cannot do."""

from __future__ import annotations

import itertools
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kb import guarded_network
from kb.addresses import is_public
from kb.errors import OutboundFailed, OutboundRefused
from kb.outbound import Answer, parse_url, send
from tests import standins
from tests.standins.server import Reply, Request, status
from tests.standins.webhook_server import WebhookServer

CERTIFICATE = Path(standins.__file__).parent / "hooks.example.pem"
PRIVATE = [
    "10.1.2.3", "172.16.0.1", "192.168.1.1", "127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3",  # noqa: S104
    "169.254.169.254", "100.64.0.1", "100.127.255.255", "192.0.0.192", "192.0.2.1",
    "192.88.99.1", "198.18.0.1", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1",
    "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd12::1",
    "ff02::1", "2001:db8::1", "2001::1", "2002:7f00:1::", "3fff::1", "5f00::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::808:808", "::ffff:100.64.0.1",
]  # fmt: skip
PUBLIC = [
    "8.8.8.8", "93.184.216.34", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2606:4700::1111",
    "::ffff:8.8.8.8", "64:ff9b::808:808",
]  # fmt: skip


class TakesAll(WebhookServer):
    """Whatever is sent."""

    def answer(self, request: Request) -> Reply:
        return Reply(body={"path": request.path, "host": request.headers["Host"]})


@pytest.fixture
def server() -> Iterator[TakesAll]:
    """On loopback."""
    with TakesAll() as server:
        yield server


def ask(url: str, **options: object) -> Answer:
    """POST, at most a second."""
    given = {"seconds": 1.0, "allow_private": True} | options
    return send("POST", url, headers={}, content=b"{}", **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_of_our_own_networks_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_internet_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "127.1", "[::ffff:7f00:1]"]
)
def test_nothing_is_sent_to_this_machine_however_it_is_written(host: str, server: TakesAll) -> None:
    port = server.url.split(":")[2].split("/")[0]
    with pytest.raises(OutboundRefused, match="not public"):
        ask(f"https://{host}:{port}/", allow_private=False)
    assert not server.requests


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://example.com/", "https"),
        ("ftp://example.com/", "https"),
        ("//example.com/", "https"),
        ("https:///path", "name a host"),
        ("https://user:pass@example.com/", "user name"),
        ("https://example.com/#part", "no #"),
        ("https://example.com:99999999/", "no URL"),
        ("https://exa mple.com/", "no URL"),
        (f"https://example.com/{'x' * 2000}", "2000 characters"),
    ],
)
def test_urls_that_are_refused_by_their_text(url: str, reason: str) -> None:
    with pytest.raises(OutboundRefused, match=reason):
        parse_url(url)


def test_one_private_address_among_public_ones_is_enough_to_refuse(server: TakesAll) -> None:
    with pytest.raises(OutboundRefused):
        ask(
            server.url.replace("http", "https"),
            allow_private=False,
            resolve=lambda *_: ["93.184.216.34", "127.0.0.1"],
        )
    assert not server.requests


def test_a_name_is_resolved_once_and_the_checked_address_is_the_one_connected_to(
    server: TakesAll,
) -> None:
    answers = itertools.chain([["127.0.0.1"]], itertools.repeat(["10.255.255.1"]))
    asked = []

    def rebinding(host: str, _: int) -> list[str]:
        asked.append(host)
        return next(answers)

    url = server.url.replace("127.0.0.1", "rebound.example")
    answer = ask(url, resolve=rebinding)
    assert asked == ["rebound.example"]
    assert b'"host": "rebound.example:' in answer.content


def test_plain_http_is_for_loopback_even_where_private_addresses_are_allowed() -> None:
    with pytest.raises(OutboundRefused, match="this very machine"):
        ask("http://inside.example/", resolve=lambda *_: ["10.0.0.1"])


def test_redirects_are_not_followed_nor_proxies_used(
    server: TakesAll, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9/")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9/")
    server.mishaps.append(status(302, Location=f"{server.url}/elsewhere"))
    answer = ask(server.url)
    assert (answer.status, len(server.requests)) == (302, 1)
    assert answer.headers["location"].endswith("/elsewhere")


def test_a_huge_answer_is_read_up_to_the_limit(server: TakesAll) -> None:
    server.always = lambda *_: Reply(body="x" * 20_000_000)
    assert ask(server.url, max_bytes=1000, seconds=10.0).content == b"x" * 1000


def test_compressed_answers_are_not_blown_up(server: TakesAll) -> None:
    server.always = lambda *_: Reply(body="not gzip", headers={"Content-Encoding": "gzip"})
    assert ask(server.url).content == b"not gzip"


def test_an_answer_that_trickles_ends_at_the_deadline() -> None:
    with trickling(b"HTTP/1.1 200 OK\r\nX-Long: ") as url:
        started = time.monotonic()
        with pytest.raises(OutboundFailed, match="No whole answer within 1 s"):
            ask(url)
        assert time.monotonic() - started < 3


def test_an_unknown_name_and_a_closed_port_may_be_tried_again() -> None:
    with pytest.raises(OutboundFailed, match="cannot be resolved"):
        ask("https://nowhere.invalid/")
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(OutboundFailed):
            ask(f"http://127.0.0.1:{held.getsockname()[1]}/")


def test_tls_asks_for_the_name_and_believes_only_its_certificate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with TakesAll() as server:
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own.load_cert_chain(CERTIFICATE)
        server._http.socket = own.wrap_socket(server._http.socket, server_side=True)
        trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
        monkeypatch.setattr(guarded_network, "ssl_context", lambda: trusting)
        base = server.url.replace("http", "https")

        def here(*_: object) -> list[str]:
            return ["127.0.0.1"]

        right = ask(base.replace("127.0.0.1", "hooks.example"), resolve=here, seconds=5.0)
        assert right.status == 200
        with pytest.raises(OutboundFailed, match=r"(?i)certificate"):
            ask(base.replace("127.0.0.1", "others.example"), resolve=here, seconds=5.0)


class trickling:  # noqa: N801 - reads as a verb
    """A server that sends a byte every tenth of a second and never comes to an end."""

    def __init__(self, beginning: bytes) -> None:
        self._beginning, self._over = beginning, threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> str:
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/"

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.sendall(self._beginning)
            while not self._over.wait(0.1):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return
