"""A data set of three articles in BEIR layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ARTICLES = {
    "refunds": ("Refunds", "A refund takes five days. Keep the receipt until it arrives."),
    "shipping": ("Shipping", "Parcels leave the warehouse every morning and arrive in two days."),
    "password": ("Passwords", "Choose a new password on the sign-in page when you forgot yours."),
}
QUESTIONS = {
    "q1": ("how long does a refund take", "refunds"),
    "q2": ("when do parcels leave the warehouse", "shipping"),
    "q3": ("I forgot my password", "password"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Corpus, questions and judgements."""
    place = tmp_path / "tiny"
    place.mkdir()
    corpus = [{"_id": k, "title": title, "text": text} for k, (title, text) in ARTICLES.items()]
    queries = [{"_id": key, "text": text} for key, (text, _) in QUESTIONS.items()]
    for name, lines in (("corpus", corpus), ("queries", queries)):
        (place / f"{name}.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    rows = ["query-id\tcorpus-id\tscore", *(f"{q}\t{a}\t1" for q, (_, a) in QUESTIONS.items())]
    (place / "qrels.tsv").write_text("\n".join(rows))
    return place
