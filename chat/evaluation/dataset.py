"""Questions with known articles, in the BEIR layout (arXiv 2104.08663).

`corpus.jsonl` (`_id`, `title`, `text`), `queries.jsonl` (`_id`, `text`) and judgements in
`qrels.tsv` or `qrels/test.tsv` (`query-id`, `corpus-id`, `score`, first line a header).

A folder of documents, `articles/`, may stand for the corpus, and `questions.jsonl` for the
queries. Their `metadata` may say more (`chat.evaluation.labels`): which passage answers,
and that nothing does. Where it names the articles, no judgements are needed.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chat.errors import DatasetInvalid
from chat.evaluation.labels import Label, Labelled, read_labels
from kb.errors import InvalidInput
from kb.importing import ImportItem, read_items

Judgements = Mapping[str, Mapping[str, int]]
Entry = tuple[int, dict[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Questions by id, and the relevance of articles (external ids) for each of them.

    `queries` are those with at least one relevant article, `unanswerable` those marked so;
    others are left out. `labels` say where in an article an answer stands. `articles`
    counts the corpus, and `digest` stands for its content.
    """

    corpus: Path
    articles: int
    queries: Mapping[str, str]
    judgements: Judgements
    digest: str
    unanswerable: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, tuple[Label, ...]] = field(default_factory=dict)
    languages: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """That of its folder."""
        return self.corpus.resolve().parent.name


def load_dataset(
    folder: Path, *, queries: Path | None = None, judgements: Path | None = None
) -> Dataset:
    """Read and check a folder. Raises DatasetInvalid, which names the file and the line."""
    corpus, articles = _corpus_in(folder)
    asked, told = _read_queries(_existing(queries or _queries_in(folder)))
    judged_in, judged = _judgements(folder, judgements, told)
    known = {key: text for key, text in asked.items() if key in judged}
    if not known:
        raise DatasetInvalid(f"{judged_in}: it judges none of the questions.")
    labels = {key: judged_labels(told[key].labels, judged[key]) for key in known}
    return Dataset(
        corpus=corpus,
        articles=articles,
        queries=known,
        judgements={key: judged[key] for key in known},
        digest=_digest(corpus),
        unanswerable={key: asked[key] for key, each in told.items() if not each.answerable},
        labels={key: found for key, found in labels.items() if found},
        languages={key: each.language for key, each in told.items() if each.language},
    )


def judged_labels(labels: tuple[Label, ...], judged: Mapping[str, int]) -> tuple[Label, ...]:
    """Those of relevant articles; one that names no article belongs to the only relevant one."""
    [only, *others] = judged
    named = (label.of(only) if not label.article and not others else label for label in labels)
    return tuple(label for label in named if label.article in judged)


def texts_of(dataset: Dataset) -> dict[str, str]:
    """By external id, the texts of a corpus file that the offsets of its labels count in."""
    if dataset.corpus.is_dir():
        return {}
    wanted = {label.article for labels in dataset.labels.values() for label in labels}
    return {
        str(entry["_id"]): str(entry["text"])
        for _, entry in _objects(dataset.corpus)
        if entry["_id"] in wanted
    }


def _corpus_in(folder: Path) -> tuple[Path, int]:
    documents, file = folder / "articles", folder / "corpus.jsonl"
    if file.is_file() or not documents.is_dir():
        return file, _count_articles(_existing(file))
    count = sum(isinstance(item, ImportItem) for item in read_items(documents))
    if not count:
        raise DatasetInvalid(f"{documents}: holds no article.")
    return documents, count


def _queries_in(folder: Path) -> Path:
    usual, other = folder / "queries.jsonl", folder / "questions.jsonl"
    return other if other.is_file() and not usual.is_file() else usual


def _digest(corpus: Path) -> str:
    if corpus.is_file():
        return hashlib.sha256(corpus.read_bytes()).hexdigest()
    digest = hashlib.sha256()
    for path in sorted(path for path in corpus.rglob("*") if path.is_file()):
        name = path.relative_to(corpus).as_posix()
        digest.update(f"{name}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _judgements(
    folder: Path, given: Path | None, told: Mapping[str, Labelled]
) -> tuple[Path, dict[str, dict[str, int]]]:
    """From the file, else from what the questions themselves say."""
    beside = folder / "qrels.tsv"
    there = given or beside.is_file() or (folder / "qrels" / "test.tsv").is_file()
    labelled = {
        key: {label.article: 1 for label in each.labels if label.article}
        for key, each in told.items()
    }
    if not there and any(labelled.values()):
        return beside, {key: judged for key, judged in labelled.items() if judged}
    path = given or _judgements_in(folder)
    return path, _read_judgements(path)


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
        seen.add(str(entry["_id"]))
    if not seen:
        raise DatasetInvalid(f"{path}: holds no article.")
    return len(seen)


def _read_queries(path: Path) -> tuple[dict[str, str], dict[str, Labelled]]:
    asked: dict[str, str] = {}
    told: dict[str, Labelled] = {}
    for number, entry in _objects(path):
        key = str(entry["_id"])
        asked[key] = str(entry["text"])
        try:
            told[key] = read_labels(entry.get("metadata") or {})
        except InvalidInput as error:
            raise DatasetInvalid(f"{path}, line {number}: {error}") from error
    return asked, told


def _objects(path: Path) -> Iterator[Entry]:
    """Line number and object of each line, with `_id` and `text` as strings."""
    for number, line in _lines(path):
        try:
            entry = json.loads(line)
            # Adding to a string refuses what is none.
            yield number, {**entry, "_id": str(entry["_id"]), "text": "" + entry["text"]}
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
