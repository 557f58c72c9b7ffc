"""The encoder server under load: questions alone, one at a time, and beside bulk work.

    python -m benchmarks.encoder_server

A real server process with the embedded default model. 200 questions at once, without and
with bulk encoding going on, and 200 one after the other. Limits: no failure; p95 beside bulk
at most 3 times that without; at once at least twice as many a second as one at a time.
The client writes and reads bytes of HTTP itself: on two cores a comfortable one would take
more time than the server. Prints JSON; exits 1 when a limit is broken.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import httpx

QUESTIONS = 200
ROUNDS = 5
BULK_RATIO_AT_MOST, THROUGHPUT_AT_LEAST = 3.0, 2.0
START_SECONDS = 120.0
KEY = "ENCODER_BENCH_KEY"
BULK_TEXT = "Payouts are sent on business days and arrive within two days of the transfer. " * 12


def main() -> int:
    """Exit status."""
    with server() as url:
        figures = asyncio.run(measure(url))
    print(json.dumps(figures, indent=2))
    kept = (
        figures["failures"] == 0
        and figures["p95_ratio"] <= BULK_RATIO_AT_MOST
        and figures["throughput_ratio"] >= THROUGHPUT_AT_LEAST
    )
    return 0 if kept else 1


@contextmanager
def server() -> Iterator[str]:
    """`serve_encoder` as people start it, ended by SIGTERM."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    key = secrets.token_hex(16)
    command = [sys.executable, "manage.py", "serve_encoder", "--port", str(port)]
    process = subprocess.Popen(
        command,
        env={**os.environ, "DEFAULT_ENCODER": "minilm", "ENCODER_API_KEY": key},
        stderr=subprocess.DEVNULL,
    )
    os.environ[KEY] = key
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(url)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def wait_for(url: str) -> None:
    """Until the weights are loaded."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/health", timeout=2).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise SystemExit("the encoder server did not start")


class Connection:
    """One kept-alive connection that POSTs JSON to /v1/embeddings."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, url: str) -> Self:
        """To a loopback address."""
        host, _, port = url.removeprefix("http://").partition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def post(self, body: dict[str, Any]) -> bool:
        """Whether a vector came for each input."""
        content = json.dumps(body).encode()
        head = (
            "POST /v1/embeddings HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {os.environ[KEY]}\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        self._writer.write(head.encode() + content)
        answered = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = answered.partition(b"content-length:")[2].partition(b"\r\n")[0]
        data = json.loads(await self._reader.readexactly(int(length)))
        count = len(body["input"]) if isinstance(body["input"], list) else 1
        return answered.startswith(b"http/1.1 200") and len(data["data"]) == count


async def measure(url: str) -> dict[str, Any]:
    """Rounds of all three, interleaved; medians over the rounds."""
    people = [await Connection.open(url) for _ in range(QUESTIONS)]
    bulk = [await Connection.open(url) for _ in range(2)]
    await together(people)  # warms up
    rounds = [
        (await together(people), await beside_bulk(people, bulk), await one_at_a_time(people[0]))
        for _ in range(ROUNDS)
    ]
    p95_alone = statistics.median(p95(alone["latencies"]) for alone, _, _ in rounds)
    p95_beside = statistics.median(p95(beside["latencies"]) for _, beside, _ in rounds)
    at_once = statistics.median(QUESTIONS / alone["seconds"] for alone, _, _ in rounds)
    in_turn = statistics.median(QUESTIONS / single for _, _, single in rounds)
    return {
        "failures": sum(alone["failures"] + beside["failures"] for alone, beside, _ in rounds),
        "bulk_texts_beside": sum(beside["bulk"] for _, beside, _ in rounds),
        "p95_ms_alone": round(1000 * p95_alone),
        "p95_ms_beside_bulk": round(1000 * p95_beside),
        "p95_ratio": round(p95_beside / p95_alone, 2),
        "questions_per_second_at_once": round(at_once),
        "questions_per_second_one_at_a_time": round(in_turn),
        "throughput_ratio": round(at_once / in_turn, 2),
    }


async def together(people: list[Connection]) -> dict[str, Any]:
    """Everybody asks at once."""
    started = time.monotonic()
    results = await asyncio.gather(*(ask(each, number) for number, each in enumerate(people)))
    return {
        "seconds": time.monotonic() - started,
        "latencies": [seconds for seconds, _ in results],
        "failures": sum(not good for _, good in results),
    }


async def beside_bulk(people: list[Connection], bulk: list[Connection]) -> dict[str, Any]:
    """The same while articles are being encoded without a pause."""
    stop = asyncio.Event()
    workers = [asyncio.create_task(encode_bulk(each, stop)) for each in bulk]
    await asyncio.sleep(1.0)
    result = await together(people)
    stop.set()
    return {**result, "bulk": sum(await asyncio.gather(*workers))}


async def encode_bulk(connection: Connection, stop: asyncio.Event) -> int:
    """Texts encoded until told to stop."""
    done = 0
    body = {"model": "minilm", "input": [BULK_TEXT] * 32, "task": "retrieval.passage"}
    while not stop.is_set():
        if not await connection.post({**body, "embedding_type": "base64"}):
            raise SystemExit("bulk encoding failed")
        done += 32
    return done


async def one_at_a_time(person: Connection) -> float:
    """Seconds for all questions in turn."""
    started = time.monotonic()
    for number in range(QUESTIONS):
        await ask(person, number)
    return time.monotonic() - started


async def ask(connection: Connection, number: int) -> tuple[float, bool]:
    """Seconds, and whether a vector came."""
    started = time.monotonic()
    good = await connection.post(
        {
            "model": "minilm",
            "input": f"How long does payout number {number} take to arrive?",
            "task": "retrieval.query",
            "embedding_type": "base64",
        }
    )
    return time.monotonic() - started, good


def p95(values: list[float]) -> float:
    """The 95th percentile, by rank."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


if __name__ == "__main__":
    sys.exit(main())
