"""Files of labelled questions: JSONL as datasets have it, or CSV from a spreadsheet.

JSONL: `text` (or `question`), perhaps `_id` (or `key`), and `metadata` as
`chat.evaluation.labels` reads it, with `kind`, `tags` and `history` (a list of `role` and
`text`) beside.

CSV: a header with `question`, and any of `key`, `answerable`, `article`, `quote`, `start`,
`end`, `relevance`, `language`, `kind`, `tags` (commas or semicolons between them) and
`history` (lines that begin with `user:` or `agent:`). Rows that repeat a key add further
places that answer.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from io import StringIO
from typing import Any

from chat.evaluation.labels import Label, Labelled, read_label, read_labels
from chat.evaluation.questions import turns_from_json
from chat.evaluation.turns import parse_turns
from chat.retrieval.conversation import Turn
from kb.errors import ImportRefused, InvalidInput, TooLarge
from kb.importing.decoding import decode
from kb.importing.tables import delimiter_of

MAX_FILE_BYTES = 10 * 1024 * 1024
MAX_LINES = 20_000
COLUMNS = (
    "key", "question", "answerable", "article", "quote", "start", "end", "relevance", "language",
    "kind", "tags", "history",
)  # fmt: skip
TRUE, FALSE = {"", "true", "yes", "1", "y", "x"}, {"false", "no", "0", "n"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadQuestion:
    """A question as the file has it; `line` is where it begins."""

    line: int
    key: str
    text: str
    labelled: Labelled
    history: tuple[Turn, ...] = ()
    kind: str = ""
    tags: tuple[str, ...] = ()


def read_questions(name: str, data: bytes) -> list[ReadQuestion]:
    """All questions of a file, told by its ending.

    Raises TooLarge, InvalidInput for another kind of file, ImportRefused that names each
    faulty line.
    """
    if len(data) > MAX_FILE_BYTES:
        raise TooLarge(f"{name}: more than {MAX_FILE_BYTES // 1024 // 1024} MiB.")
    ending = name.rpartition(".")[2].lower()
    reader = READERS.get(ending)
    if reader is None:
        raise InvalidInput(f"{name}: questions come as .jsonl or .csv.", field="file")
    problems: list[str] = []
    questions = list(reader(decode(data), problems))
    if not questions and not problems:
        problems.append("the file holds no question")
    if problems:
        raise ImportRefused([f"{name}, {problem}" for problem in problems])
    return questions


def _read_jsonlines(text: str, problems: list[str]) -> Iterator[ReadQuestion]:
    seen: set[str] = set()
    # Only line feeds end a line: JSON strings may hold other separators as they are.
    for number, line in enumerate(_limited(text.split("\n")), start=1):
        if not line.strip():
            continue
        try:
            question = _from_object(json.loads(line), number)
            _require_new(question.key, seen)
        except (ValueError, RecursionError) as error:
            problems.append(f"line {number}: is no JSON ({error}).")
        except InvalidInput as error:
            problems.append(f"line {number}: {error}")
        else:
            yield question


def _from_object(given: object, line: int) -> ReadQuestion:
    if not isinstance(given, Mapping):
        raise InvalidInput("a JSON object is expected on each line.")
    metadata = given.get("metadata") or {}
    labelled = read_labels(metadata)
    tags, history = metadata.get("tags") or [], metadata.get("history") or []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise InvalidInput("metadata.tags must be a list of texts.")
    return ReadQuestion(
        line=line,
        key=_string(given, "_id", "key"),
        text=_string(given, "text", "question"),
        labelled=labelled,
        history=_history(history),
        kind=_string(metadata, "kind"),
        tags=tuple(tags),
    )


def _history(given: object) -> tuple[Turn, ...]:
    if isinstance(given, list) and all(
        isinstance(turn, Mapping)
        and turn.get("role") in {"visitor", "assistant"}
        and isinstance(turn.get("text"), str)
        for turn in given
    ):
        return turns_from_json(given)
    raise InvalidInput("metadata.history: a list of role (visitor or assistant) and text.")


def _string(given: Mapping[str, Any], *names: str) -> str:
    value = next((given[name] for name in names if given.get(name) is not None), "")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise InvalidInput(f"{names[0]} must be text.")
    return value


def _read_csv(text: str, problems: list[str]) -> Iterator[ReadQuestion]:
    rows = _rows(text, problems)
    header = [name.strip().lower() for name in next(rows, (1, []))[1]]
    if "question" not in header or set(header) - set(COLUMNS) or len(set(header)) != len(header):
        known = ", ".join(COLUMNS)
        problems.append(f"line 1: the header needs “question”, and knows each once: {known}.")
        return
    merged: dict[str, ReadQuestion] = {}
    for line, row in rows:
        try:
            _merge(merged, _from_row(header, row, line))
        except InvalidInput as error:
            problems.append(f"line {line}: {error}")
    yield from merged.values()


def _rows(text: str, problems: list[str]) -> Iterator[tuple[int, list[str]]]:
    """The line on which each row begins, and its cells."""
    rows = csv.reader(StringIO(text, newline=""), delimiter=delimiter_of(text), strict=True)
    for _ in range(MAX_LINES):
        line = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            problems.append(f"line {line}: broken CSV ({error}).")
            return
        if any(cell.strip() for cell in row):
            yield line, row
    problems.append(f"line {line}: at most {MAX_LINES:,} rows are read.")


def _from_row(header: list[str], row: list[str], line: int) -> ReadQuestion:
    if len(row) != len(header):
        raise InvalidInput(f"has {len(row)} columns, the header has {len(header)}.")
    given = {name: cell for name, cell in zip(header, row, strict=True) if cell.strip()}
    answerable = given.get("answerable", "").strip().lower()
    if answerable not in TRUE | FALSE:
        raise InvalidInput(f"answerable is {answerable!r}; write yes or no.")
    numbers = {name: _number(given, name) for name in ("start", "end", "relevance")}
    label = read_label(
        {"article": given.get("article", "").strip(), "quote": given.get("quote")}
        | {name: value for name, value in numbers.items() if value is not None}
    )
    return ReadQuestion(
        line=line,
        key=given.get("key", "").strip(),
        text=given.get("question", ""),
        labelled=Labelled(
            answerable=answerable in TRUE,
            labels=(label,) if label.article or label.ranged else (),
            language=given.get("language", "").strip(),
        ),
        history=tuple(parse_turns(given["history"].strip())) if "history" in given else (),
        kind=given.get("kind", ""),
        tags=tuple(given.get("tags", "").replace(";", ",").split(",")),
    )


def _number(given: Mapping[str, str], name: str) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if not value.strip().isdecimal() or len(value) > 12:
        raise InvalidInput(f"{name} must be a whole number.")
    return int(value)


def _merge(merged: dict[str, ReadQuestion], question: ReadQuestion) -> None:
    """A row that repeats a key adds its places; a question without a key stands alone."""
    name = question.key or f"\0{question.line}"
    known = merged.get(name)
    if known is None:
        merged[name] = question
        return
    if question.text.strip() not in {"", known.text.strip()}:
        raise InvalidInput(f"key {question.key!r} has another question on line {known.line}.")
    labels: tuple[Label, ...] = (*known.labelled.labels, *question.labelled.labels)
    merged[name] = replace(known, labelled=replace(known.labelled, labels=labels))


def _require_new(key: str, seen: set[str]) -> None:
    if key and key in seen:
        raise InvalidInput(f"the key {key!r} is there already.")
    seen.add(key)


def _limited(lines: list[str]) -> list[str]:
    if len(lines) > MAX_LINES:
        raise TooLarge(f"At most {MAX_LINES:,} lines are read.")
    return lines


READERS: Mapping[str, Callable[[str, list[str]], Iterator[ReadQuestion]]] = {
    "jsonl": _read_jsonlines,
    "csv": _read_csv,
}
