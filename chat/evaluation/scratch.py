"""Scratch workspaces: a dataset's corpus, imported and embedded once and kept.

The slug is made of the corpus, its language and the encoder, so that anything that changes
the vectors makes a new one, and nothing else does.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Sum

from chat.evaluation.dataset import Dataset
from chat.languages import guess_language
from embeddings.encoders.registry import get_encoder
from embeddings.filling.loop import embed_pending
from embeddings.live import live_version
from embeddings.models import IndexEntry
from embeddings.services.versions import ensure_first_version
from embeddings.waiting import Progress, progress, wait_until_searchable
from kb.importing import import_articles, read_items
from kb.languages import Language
from kb.models import Article, Workspace
from kb.services import create_workspace

SLUG_PREFIX = "eval-"
WAIT_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch:
    """A workspace that holds a corpus, all searchable; seconds are those spent just now.

    `skipped` says which articles of the corpus cannot be imported, and why.
    """

    workspace: Workspace
    articles: int
    tokens: int
    embed_seconds: float
    reused: bool
    skipped: tuple[str, ...] = ()


def prepare_scratch(
    dataset: Dataset,
    *,
    encoder: str,
    language: str | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Scratch:
    """Import and embed what is not there yet; safe to repeat after it was killed.

    Raises UnknownEncoder.
    """
    language = language or _language_of(dataset)
    workspace = _workspace(dataset, encoder, language)
    skipped = _import(dataset, workspace)
    reused = progress(workspace).finished
    seconds = 0.0 if reused else _embed(workspace, on_progress)
    return _counted(workspace, embed_seconds=seconds, reused=reused, skipped=tuple(skipped))


def own_workspace(workspace: Workspace) -> Scratch:
    """A workspace of one's own, as it is. Raises NoLiveIndex."""
    return _counted(workspace, embed_seconds=0.0, reused=True)


def _counted(
    workspace: Workspace, *, embed_seconds: float, reused: bool, skipped: tuple[str, ...] = ()
) -> Scratch:
    spent = IndexEntry.objects.filter(index_version=live_version(workspace)).current()
    return Scratch(
        workspace=workspace,
        articles=Article.objects.in_workspace(workspace).published().count(),
        tokens=spent.aggregate(sum=Sum("tokens"))["sum"] or 0,
        embed_seconds=embed_seconds,
        reused=reused,
        skipped=skipped,
    )


def _workspace(dataset: Dataset, encoder: str, language: str) -> Workspace:
    fingerprint = get_encoder(encoder).fingerprint
    key = f"{dataset.digest}\n{fingerprint}\n{language}"
    if "@" in encoder:  # an alias of its own, though the vectors may be the same
        key += f"\n{encoder}"
    slug = SLUG_PREFIX + hashlib.sha256(key.encode()).hexdigest()[:16]
    workspace = Workspace.objects.filter(slug=slug).first()
    if workspace is None:
        with transaction.atomic():
            name = f"Evaluation of {dataset.name}"
            workspace = create_workspace(slug=slug, name=name, default_language=language)
            # Before the commit, which would give it a version of the default encoder.
            ensure_first_version(workspace, encoder=encoder)
    return workspace


def _import(dataset: Dataset, workspace: Workspace) -> list[str]:
    """What could not be imported (BEIR corpora have articles without text, for example)."""
    if Article.objects.in_workspace(workspace).published().count() == dataset.articles:
        return []
    readings = read_items(dataset.corpus)
    return import_articles(workspace, readings, publish=True, skip_bad=True).problems


def _embed(workspace: Workspace, on_progress: Callable[[Progress], None] | None) -> float:
    """Seconds until all was searchable.

    Embeds in this process, beside workers if any run, and waits for what they hold.
    """
    started = time.perf_counter()

    def stored(_: int) -> None:
        if on_progress:
            on_progress(progress(workspace))

    embed_pending(live_version(workspace), on_progress=stored)
    wait_until_searchable(workspace, timeout=WAIT_SECONDS, on_progress=on_progress)
    return round(time.perf_counter() - started, 3)


def _language_of(dataset: Dataset) -> str:
    corpus = dataset.corpus
    if corpus.is_dir():
        corpus = min(path for path in corpus.rglob("*") if path.is_file())
    with corpus.open(encoding="utf-8", errors="replace") as file:
        beginning = file.read(4000)
    return guess_language(beginning, otherwise=Language.ENGLISH)
