"""What `/api/v1/retrieve` takes beyond encoding the question and the SQL of its legs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.test import Client

from benchmarks.retrieval.filling import filled_workspace
from benchmarks.retrieval.replay import Statement, recording, replay
from benchmarks.retrieval.report import percentile
from benchmarks.retrieval.synthetic import Writer
from chat.services.retrievals import retrieve_for
from embeddings.live import encoder_of, live_version
from kb.access import Caller, caller_for_key
from kb.models import Scope, Workspace
from kb.services import create_api_key

RATIO_AT_MOST = 1.5
PASSAGES_PER_TOPIC, TOPICS_AT_MOST = 50, 2_000
QUESTIONS_PER_KEY = 50  # below a key's rate limit, which is not what is measured
PATH = "/api/v1/retrieve"


def measure_latency(*, passages: int, questions: int) -> dict[str, Any]:
    """Milliseconds of each part, and the ratios of the 95th percentiles."""
    topics = min(max(passages // PASSAGES_PER_TOPIC, 1), TOPICS_AT_MOST)
    writer = Writer(topics=topics)
    workspace = filled_workspace(writer, passages=passages)
    asked = Asked(workspace, writer.questions(questions))
    asked.record()
    found = figures(asked.time())
    laps = {lap: percentile(spent, 95) for lap, spent in asked.laps.items()}
    return {"passages": passages, "questions": questions, **found, "laps_p95_ms": laps}


class Asked:
    """The same questions in every way: over HTTP, by the service, and its parts alone."""

    def __init__(self, workspace: Workspace, questions: Sequence[str]) -> None:
        self._questions = questions
        self._encoder = encoder_of(live_version(workspace))
        self._client = Client(SERVER_NAME="localhost")
        self._callers: list[tuple[Caller, str]] = []
        for _ in range(0, len(questions), QUESTIONS_PER_KEY):
            key, token = create_api_key(workspace, name="Benchmark", scopes=[Scope.RETRIEVE])
            self._callers.append((caller_for_key(key), token))
        self._statements: list[list[Statement]] = []
        self.laps: dict[str, list[float]] = {}

    def record(self) -> None:
        """Ask each question once: this warms up, and keeps what the legs send."""
        self._over_http(0)
        for number, question in enumerate(self._questions):
            caller, _ = self._callers[number // QUESTIONS_PER_KEY]
            with recording() as statements:
                retrieve_for(caller, question=question)
            self._statements.append(statements)

    def time(self) -> dict[str, list[float]]:
        """Milliseconds by part, the parts of a question one after the other."""
        spent: dict[str, list[float]] = {}
        for number, question in enumerate(self._questions):
            caller, _ = self._callers[number // QUESTIONS_PER_KEY]
            parts: dict[str, Callable[[], object]] = {
                "http": partial(self._over_http, number),
                "encoding": partial(self._encoder.encode_queries, [question]),
                "service": partial(self._by_service, caller, question),
                "legs_sql": partial(replay, self._statements[number]),
            }
            for name, work in parts.items():
                spent.setdefault(name, []).append(milliseconds(work))
        return spent

    def _by_service(self, caller: Caller, question: str) -> None:
        retrieval, _ = retrieve_for(caller, question=question)
        for lap, spent in retrieval.timings.items():
            self.laps.setdefault(lap, []).append(spent)

    def _over_http(self, number: int) -> None:
        _, token = self._callers[number // QUESTIONS_PER_KEY]
        response = self._client.post(
            PATH,
            {"question": self._questions[number]},
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )
        assert response.status_code == 200, response.content


def figures(spent: dict[str, list[float]]) -> dict[str, Any]:
    """Percentiles, ratios, and whether the limit is kept."""
    percentiles = {
        name: {f"p{each}_ms": percentile(values, each) for each in (50, 95)}
        for name, values in spent.items()
    }
    parts = percentiles["encoding"]["p95_ms"] + percentiles["legs_sql"]["p95_ms"]
    ratios = {name: round(percentiles[name]["p95_ms"] / parts, 2) for name in ("http", "service")}
    return {
        **percentiles,
        "http_to_parts": ratios["http"],
        "service_to_parts": ratios["service"],
        "limit": RATIO_AT_MOST,
        "kept": ratios["http"] <= RATIO_AT_MOST,
    }


def lines(found: dict[str, Any]) -> str:
    """For people."""
    rows = [
        f"{name:>10}  p50 {found[name]['p50_ms']:8.1f} ms  p95 {found[name]['p95_ms']:8.1f} ms"
        for name in ("http", "service", "encoding", "legs_sql")
    ]
    verdict = "kept" if found["kept"] else "broken"
    ratio = f"http / (encoding + legs' SQL), p95: {found['http_to_parts']}"
    return "\n".join([*rows, f"{ratio} (at most {found['limit']}: {verdict})"])


def milliseconds(work: Callable[[], object]) -> float:
    """Of one call."""
    started = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - started)
