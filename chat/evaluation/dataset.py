"""Questions with known articles, in the BEIR layout (arXiv 2104.08663).

`corpus.jsonl` (`_id`, `title`, `text`), `queries.jsonl` (`_id`, `text`) and judgements in
`qrels.tsv` or `qrels/test.tsv` (`query-id`, `corpus-id`, `score`, first line a header).
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from chat.errors import DatasetInvalid

Judgements = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Questions by id, and the relevance of articles (external ids) for each of them.

    Only questions with at least one relevant article are kept. `articles` counts the corpus,
    and `digest` stands for its content.
    """

    corpus: Path
    articles: int
    queries: Mapping[str, str]
    judgements: Judgements
    digest: str


def load_dataset(
    folder: Path, *, queries: Path | None = None, judgements: Path | None = None
) -> Dataset:
    """Read and check a folder. Raises DatasetInvalid, which names the file and the line."""
    corpus = _existing(folder / "corpus.jsonl")
    articles = _count_articles(corpus)
    asked = _read_queries(_existing(queries or folder / "queries.jsonl"))
    judged_in = judgements or _judgements_in(folder)
    judged = _read_judgements(judged_in)
    known = {key: text for key, text in asked.items() if key in judged}
    if not known:
        raise DatasetInvalid(f"{judged_in}: it judges none of the questions.")
    return Dataset(
        corpus=corpus,
        articles=articles,
        queries=known,
        judgements={key: judged[key] for key in known},
        digest=hashlib.sha256(corpus.read_bytes()).hexdigest(),
    )


def _judgements_in(folder: Path) -> Path:
    beside = folder / "qrels.tsv"
    return beside if beside.is_file() else _existing(folder / "qrels" / "test.tsv", beside)


def _existing(path: Path, *others: Path) -> Path:
    if not path.is_file():
        names = " or ".join(str(each) for each in (*others, path))
        raise DatasetInvalid(f"{names}: there is no such file.")
    return path


def _count_articles(path: Path) -> int:
    seen: set[str] = set()
    for number, entry in _objects(path):
        if entry["_id"] in seen:
            raise DatasetInvalid(f"{path}, line {number}: {entry['_id']!r} is there already.")
        seen.add(entry["_id"])
    if not seen:
        raise DatasetInvalid(f"{path}: holds no article.")
    return len(seen)


def _read_queries(path: Path) -> dict[str, str]:
    return {entry["_id"]: entry["text"] for _, entry in _objects(path)}


def _objects(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and `_id` and `text` of each line."""
    for number, line in _lines(path):
        try:
            entry = json.loads(line)
            # Adding to a string refuses what is none.
            yield number, {"_id": str(entry["_id"]), "text": "" + entry["text"]}
        except (ValueError, KeyError, TypeError) as error:
            reason = f"is no JSON object with _id and text ({error!r})"
            raise DatasetInvalid(f"{path}, line {number}: {reason}.") from error


def _read_judgements(path: Path) -> dict[str, dict[str, int]]:
    judged: dict[str, dict[str, int]] = {}
    for number, line in _lines(path):
        row = next(csv.reader([line], delimiter="\t", quoting=csv.QUOTE_NONE))
        if number == 1 and not row[-1].strip().lstrip("-").isdigit():
            continue  # the header
        try:
            query, article, relevance = row[0], row[1], int(row[2])
        except (IndexError, ValueError) as error:
            reason = "is not query-id, corpus-id and a whole number between tabs"
            raise DatasetInvalid(f"{path}, line {number}: {reason}.") from error
        if relevance > 0:
            judged.setdefault(query, {})[article] = relevance
    return judged


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetInvalid(f"{path}: cannot be read as UTF-8 ({error}).") from error
    # Only line feeds end a line: JSON strings may hold other separators as they are.
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            yield number, line.rstrip("\r")
