"""Making and retiring versions beside questions and saves, with a long read open."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection, transaction

from benchmarks.clustered import load_workspace, make_clusters
from benchmarks.reembed.building import BENCH, wait_until
from benchmarks.reembed.load import Asked, Load, spread
from benchmarks.reembed.site import site_of, web_process, workspace_of
from embeddings.lifecycle import Move
from embeddings.live import live_version
from embeddings.models import IndexVersion, VersionState
from embeddings.partitions import PASSAGES, create_partitions, partition_name
from embeddings.services.moving import make_move
from embeddings.services.retiring import retire_version
from embeddings.waiting import wait_until_searchable
from kb.models import Workspace

VECTORS = 200_000
READ_SECONDS = 30.0
RATE = 10.0
SAVES = 5.0
DELAYED_AT_MOST = 2.0  # the slowest request meanwhile, to the slowest before
VERSIONS_MADE = 20


def measure_partitions(*, vectors: int = VECTORS) -> dict[str, Any]:
    """Retiring, then creating."""
    workspace = workspace_of("bystander", articles=60)
    wait_until_searchable(workspace, timeout=600)
    reader = workspace_of("reader", articles=20)
    wait_until_searchable(reader, timeout=600)
    retired = load_workspace("retired", passages=vectors, clusters=make_clusters())
    with web_process() as client:
        asking, saving = site_of(workspace, client), site_of(reader, client)
        for number in range(20):
            asking.ask(number)
            saving.save(10_000 + number)
        questions, saves = Load(asking.ask, rate=RATE), Load(saving.save, rate=SAVES)
        with questions.running(), saves.running():
            time.sleep(3.0)
            before = _span(READ_SECONDS)
            with long_read(live_version(reader)):
                during = _retire(retired)
            made = _create(workspace)
        return {
            "vectors_retired": vectors,
            "retiring": _compared(questions, before, during),
            "creating": _compared(saves, before, made) | {"versions": VERSIONS_MADE},
        }


@contextmanager
def long_read(version: IndexVersion) -> Iterator[None]:
    """Another workspace's read that stays open for 30 s, in a session of its own."""
    only = f"index_version_id = {int(version.pk)}"
    parameters = connection.get_connection_params()
    parameters.pop("cursor_factory", None)
    parameters.pop("context", None)
    with psycopg.connect(**parameters) as reading:
        reading.execute(f"SELECT count(*) FROM embeddings_passagevector WHERE {only}")  # noqa: S608
        ended = threading.Timer(READ_SECONDS, reading.rollback)
        ended.start()
        try:
            yield
        finally:
            ended.cancel()
            ended.join()


def _span(seconds: float) -> tuple[float, float]:
    began = time.monotonic()
    time.sleep(seconds)
    return began, time.monotonic()


def _retire(version: IndexVersion) -> tuple[float, float]:
    """Until its partitions are gone, and at least as long as the read is open."""
    began = time.monotonic()
    make_move(version, Move.REPLACE, actor=BENCH)
    retire_version(version, actor=BENCH, at_once=True)
    wait_until(lambda: not _exists(version), seconds=300, what="the partitions are dropped")
    time.sleep(max(0.0, READ_SECONDS - (time.monotonic() - began)))
    return began, time.monotonic()


def _exists(version: IndexVersion) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [partition_name(PASSAGES, version.pk)])
        return cursor.fetchone()[0] is not None


def _create(workspace: Workspace) -> tuple[float, float]:
    """Versions, one after the other, each with partitions; the saves go on."""
    began = time.monotonic()
    for number in range(VERSIONS_MADE):
        with transaction.atomic():
            version = IndexVersion.objects.create(
                workspace=workspace,
                number=100 + number,
                state=VersionState.CANCELLED,
                encoder=settings.DEFAULT_ENCODER,
                fingerprint="benchmark",
                dimension=384,
                strategy="windows",
            )
            create_partitions(version.pk, 384)
        time.sleep(0.5)
    return began, time.monotonic()


def _compared(
    load: Load, before: tuple[float, float], during: tuple[float, float]
) -> dict[str, Any]:
    usual, meanwhile = load.between(*before), load.between(*during)
    ratio = round(_slowest(meanwhile) / _slowest(usual), 2)
    return {
        "before": spread(usual),
        "meanwhile": spread(meanwhile),
        "slowest_to_before": ratio,
        "limit": DELAYED_AT_MOST,
        "kept": ratio <= DELAYED_AT_MOST and spread(meanwhile)["failed"] == 0,
    }


def _slowest(asked: list[Asked]) -> float:
    return max(each.milliseconds for each in asked)
