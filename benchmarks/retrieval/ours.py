"""Unabridged on a data set: the real pipeline on PostgreSQL, the shipped profile."""

from __future__ import annotations

import time
from dataclasses import replace

from django.conf import settings
from django.db import connection

from benchmarks.retrieval.report import SystemReport, percentile
from chat.evaluation.dataset import Dataset
from chat.evaluation.metrics import DEPTH, measure
from chat.evaluation.scratch import prepare_scratch
from chat.retrieval.pipeline import retrieve
from chat.retrieval.settings import load_profile
from embeddings.live import live_version
from kb.models import Article, Workspace


def ask_ours(dataset: Dataset) -> SystemReport:
    """Import and embed, then ask every question, one after the other."""
    scratch = prepare_scratch(dataset, encoder=settings.DEFAULT_ENCODER)
    rankings, spent = _ask(dataset, scratch.workspace)
    return SystemReport(
        system="unabridged",
        dataset=dataset.name,
        measures=measure(rankings, dataset.judgements),
        queries=len(dataset.queries),
        p50_ms=percentile(spent, 50),
        p95_ms=percentile(spent, 95),
        embed_seconds=round(scratch.embed_seconds, 1),
        chunks=_passages(scratch.workspace),
    )


def _ask(dataset: Dataset, workspace: Workspace) -> tuple[dict[str, list[str]], list[float]]:
    """Rankings, and milliseconds of each whole `retrieve`."""
    profile = load_profile(workspace, None)
    profile = replace(profile, articles=max(profile.articles, DEPTH))
    names = dict(Article.objects.in_workspace(workspace).values_list("pk", "external_id"))
    rankings: dict[str, list[str]] = {}
    spent: list[float] = []
    for query, text in dataset.queries.items():
        started = time.perf_counter()
        found = retrieve(text, workspace=workspace, include_internal=True, profile=profile)
        spent.append(1000 * (time.perf_counter() - started))
        articles = dict.fromkeys(hit.source.article_id for hit in found.hits)
        rankings[query] = [str(names[article]) for article in articles]
    return rankings, spent


def _passages(workspace: Workspace) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM embeddings_passagevector WHERE index_version_id = %s",
            [live_version(workspace).pk],
        )
        [count] = cursor.fetchone() or (0,)
        return int(count)
