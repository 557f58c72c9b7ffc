"""`manage.py serve_encoder` as a process: under load, and ended while it works."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from django.core.management import CommandError, call_command

ROOT = Path(__file__).resolve().parents[2]
KEY = "a-key-for-this-test"
LONG = "Payouts are sent on business days and arrive within two days. " * 12

pytestmark = pytest.mark.processes


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """What the server writes."""
    return tmp_path / "server.log"


@pytest.fixture
def server(log: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """MiniLM in a server of its own; no database, no Redis."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "ENCODER_API_KEY": KEY, "DATABASE_URL": "postgresql://no.where/x"}
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve_encoder", "--encoder", "minilm", f"--port={port}"],
            cwd=ROOT,
            env=environment,
            stderr=errors,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(url, process, log)
        yield url, process
    finally:
        process.kill()
        process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the weights are loaded."""
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{url}/health").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the server did not start")


def post(client: httpx.Client, texts: list[str], task: str) -> int:
    """The status of an answer; a vector per text if it is 200."""
    body = {"model": "minilm", "input": texts, "task": task, "embedding_type": "base64"}
    answer = client.post("/v1/embeddings", json=body)
    assert answer.status_code != 200 or len(answer.json()["data"]) == len(texts)
    return answer.status_code


def test_questions_are_answered_beside_bulk_work_and_what_is_in_hand_at_the_end(
    server: tuple[str, subprocess.Popen[bytes]], log: Path
) -> None:
    url, process = server
    headers = {"Authorization": f"Bearer {KEY}"}
    with (
        httpx.Client(base_url=url, headers=headers, timeout=120) as client,
        ThreadPoolExecutor(64) as people,
    ):
        bulk = [people.submit(post, client, [LONG] * 64, "retrieval.passage") for _ in range(4)]
        time.sleep(0.2)
        asked = [
            people.submit(post, client, [f"When is payout {number} sent?"], "retrieval.query")
            for number in range(200)
        ]
        assert {each.result() for each in asked} == {200}
        assert not all(each.done() for each in bulk)  # the questions overtook them
        process.send_signal(signal.SIGTERM)
        assert [each.result() for each in bulk] == [200] * 4
    assert process.wait(40) in {0, -signal.SIGTERM}
    assert "Serving at" in log.read_text()
    assert KEY not in log.read_text()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health")


def test_a_server_that_others_can_reach_needs_a_key() -> None:
    with pytest.raises(CommandError, match="set ENCODER_API_KEY first"):
        call_command("serve_encoder", "--host", "0.0.0.0")  # noqa: S104 - refused
