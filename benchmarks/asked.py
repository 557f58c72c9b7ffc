"""Questions with known answers, asked in three situations, as rows of features."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from chat.answering.confidence import features
from chat.answering.quotes import Passage, choose_passages
from chat.answering.ranking import rank_sentences
from chat.evaluation.dataset import load_dataset
from chat.evaluation.scratch import prepare_scratch
from chat.retrieval.pipeline import retrieve
from embeddings.encoders.registry import get_encoder
from embeddings.live import live_version
from embeddings.loop import embed_pending
from kb.importing import import_articles, read_items
from kb.models import Article, ArticleState, Workspace

SAMPLE = Path(__file__).resolve().parent.parent / "kb" / "sample"
SAMPLE_SLUG = "eval-sample"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gold:
    """Where an answer is; without offsets, anywhere in the article."""

    article: str
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question and its answers; none for an unanswerable one."""

    text: str
    gold: tuple[Gold, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionSet:
    """A knowledge base, embedded, and questions about it."""

    name: str
    workspace: Workspace
    questions: list[Asked]


class Asker:
    """Asks in one knowledge base."""

    def __init__(self, asked: QuestionSet) -> None:
        self._set = asked
        self._encoder = get_encoder(live_version(asked.workspace).encoder)

    def rows(self, own: Sequence[Asked], foreign: Sequence[Asked]) -> Iterator[dict[str, Any]]:
        """Own questions, the same without the articles that answer, and foreign ones."""
        for question in own:
            if not question.gold:
                yield self._row(question, "unanswerable")
                continue
            yield self._row(question, "answerable")
            with transaction.atomic():
                names = [gold.article for gold in question.gold]
                articles = Article.objects.in_workspace(self._set.workspace)
                articles.filter(external_id__in=names).update(
                    state=ArticleState.DRAFT, published_revision=None
                )
                yield self._row(Asked(text=question.text, gold=()), "hidden")
                transaction.set_rollback(True)
        for question in foreign:
            yield self._row(Asked(text=question.text, gold=()), "foreign")

    def _row(self, question: Asked, kind: str) -> dict[str, Any]:
        retrieval = retrieve(question.text, workspace=self._set.workspace, include_internal=True)
        ranked = rank_sentences(retrieval, encoder=self._encoder)
        passages = choose_passages(ranked)
        return {
            "set": self._set.name,
            "kind": kind,
            "question": question.text,
            "features": features(retrieval, ranked),
            "correct": any(_right(p, gold) for p in passages for gold in question.gold),
            "quotes": len(passages),
        }


def read_set(folder: str) -> QuestionSet:
    """A BEIR folder, or the sample knowledge base."""
    return _sample() if folder == "sample" else _beir(Path(folder))


def _right(passage: Passage, gold: Gold) -> bool:
    if passage.source.external_id != gold.article:
        return False
    if gold.start is None or gold.end is None:
        return True
    return passage.start < gold.end and gold.start < passage.end


def _beir(folder: Path) -> QuestionSet:
    dataset = load_dataset(folder)
    scratch = prepare_scratch(dataset, encoder=settings.DEFAULT_ENCODER)
    metadata = {
        entry["_id"]: entry.get("metadata") or {} for entry in _lines(folder / "queries.jsonl")
    }
    # Offsets count from the corpus text; bodies are stored without white space around them.
    shift = {
        entry["_id"]: len(entry["text"]) - len(entry["text"].lstrip())
        for entry in _lines(dataset.corpus)
    }
    questions = []
    for query, text in dataset.queries.items():
        known = metadata[query]
        gold = [
            _gold(article, known, shift.get(article, 0)) for article in dataset.judgements[query]
        ]
        questions.append(Asked(text=text, gold=tuple(gold)))
    return QuestionSet(name=folder.name, workspace=scratch.workspace, questions=questions)


def _gold(article: str, known: dict[str, Any], shift: int) -> Gold:
    if "answer_char" not in known:
        return Gold(article=article)
    start = known["answer_char"] - shift
    return Gold(article=article, start=start, end=start + (len(known.get("answer") or "") or 40))


def _sample() -> QuestionSet:
    workspace, _ = Workspace.objects.get_or_create(
        slug=SAMPLE_SLUG, defaults={"name": "Sample knowledge base"}
    )
    import_articles(workspace, read_items(SAMPLE / "articles"), publish=True)
    embed_pending(live_version(workspace))
    questions = []
    for entry in _lines(SAMPLE / "questions.jsonl"):
        known = entry["metadata"]
        places = [known, *known.get("also", [])] if known["answerable"] else []
        gold = tuple(Gold(article=p["article"], start=p["start"], end=p["end"]) for p in places)
        questions.append(Asked(text=entry["text"], gold=gold))
    return QuestionSet(name="sample", workspace=workspace, questions=questions)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text().split("\n"):
        if line.strip():
            yield json.loads(line)
