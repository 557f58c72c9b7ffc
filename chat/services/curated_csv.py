"""Curated answers out to a CSV file and in from one.

Columns: `question` and `answer` are needed; `variants` (one a line), `language`, `audience`,
`collection` (slug), `sources` (external ids or #numbers, one a line), `enabled` (yes or no) and
`valid_until` (ISO 8601) may be missing or empty. A row whose question some answer has as its
main one changes that answer in the columns that the file has; any other row makes a new one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from chat.models import CuratedAnswer, CuratedQuestion
from chat.models.curated import question_key
from chat.services.curated import curated_answers_of
from chat.services.curated_drafts import find_named_articles, name_of, write_curated_answer
from chat.tasks import nudge_curated
from kb.access import Caller, Permission, require
from kb.errors import DomainError, ImportRefused, InvalidInput, TooLarge
from kb.importing.decoding import decode
from kb.importing.tables import delimiter_of

MAX_BYTES = 4_000_000
MAX_ROWS = 2_000
MAX_PROBLEMS = 100
NEEDED = ("question", "answer")
COLUMNS = (
    *NEEDED, "variants", "language", "audience", "collection", "sources", "enabled",
    "valid_until",
)  # fmt: skip
# What a spreadsheet would run as a formula is written, and read, with an apostrophe before it.
FORMULA = ("=", "+", "-", "@", "\t")
TRUTH = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class CuratedImport:
    """How many answers a file made and changed."""

    created: int
    changed: int


YEARS = range(1900, 9000)
NO_MOMENT = "valid_until must be a time such as 2027-01-31T12:00Z, not {cell!r}."


def export_curated_csv(caller: Caller) -> str:
    """Every curated answer that the caller may see. Raises Forbidden."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    answers = curated_answers_of(caller).select_related("collection").order_by("pk")
    for answer in answers.prefetch_related("questions", "sources__article"):
        writer.writerow([_escape(cell) for cell in _row(answer)])
    return out.getvalue()


def import_curated_csv(caller: Caller, data: bytes) -> CuratedImport:
    """All rows or none. Raises Forbidden, TooLarge, InvalidInput for what is no such file, and
    ImportRefused that names the line of each faulty row."""
    require(caller, Permission.ANSWERS_WRITE)
    if len(data) > MAX_BYTES:
        raise TooLarge(f"The file has {len(data):,} bytes; at most {MAX_BYTES:,} are read.")
    problems: list[str] = []
    done = {True: 0, False: 0}
    with transaction.atomic():
        for line, row in _read(decode(data)):
            try:
                done[_store(caller, row)] += 1
            except DomainError as error:
                problems.append(f"line {line}: {error}")
            if len(problems) == MAX_PROBLEMS:
                break
        if problems:
            raise ImportRefused(problems)
        transaction.on_commit(lambda: nudge_curated(caller.workspace.pk), robust=True)
    return CuratedImport(created=done[True], changed=done[False])


def _row(answer: CuratedAnswer) -> Iterator[str]:
    main, *variants = [question.text for question in answer.questions.all()]
    articles = [source.article for source in answer.sources.all() if source.article]
    yield from (main, answer.text, "\n".join(variants), answer.language, answer.audience)
    yield answer.collection.slug if answer.collection else ""
    yield "\n".join(name_of(each) for each in articles)
    yield "yes" if answer.enabled else "no"
    yield answer.valid_until.isoformat() if answer.valid_until else ""


def _escape(cell: str) -> str:
    return f"'{cell}" if cell.startswith((*FORMULA, "'")) else cell


def _unescape(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith((*FORMULA, "'")) else cell


def _read(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows by the line on which they begin. Raises InvalidInput."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text), strict=True)
    if "\x00" in text:
        raise InvalidInput("The file holds control characters; save it as plain CSV.")
    try:
        header = [name.strip().lower() for name in next(rows, [])]
    except csv.Error as error:
        raise InvalidInput(f"line 1: broken CSV: {error}") from error
    _check_header(header)
    count = 0
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise InvalidInput(f"line {line}: broken CSV: {error}") from error
        if any(cell.strip() for cell in row):
            count += 1
            yield line, _cells(header, row, line, count)


def _check_header(header: list[str]) -> None:
    missing = [name for name in NEEDED if name not in header]
    unknown = [name for name in header if name not in COLUMNS]
    if missing or unknown or len(set(header)) < len(header):
        raise InvalidInput(
            f"line 1: the header must name {', '.join(NEEDED)}, and may name "
            f"{', '.join(COLUMNS[len(NEEDED) :])}, each once; it has: {', '.join(header)[:300]}."
        )


def _cells(header: list[str], row: list[str], line: int, count: int) -> dict[str, str]:
    if count > MAX_ROWS:
        raise TooLarge(f"line {line}: a file may have {MAX_ROWS:,} answers; split it.")
    if len(row) != len(header):
        raise InvalidInput(f"line {line}: {len(row)} columns, the header has {len(header)}.")
    return {name: _unescape(cell) for name, cell in zip(header, row, strict=True)}


def _store(caller: Caller, row: Mapping[str, str]) -> bool:
    """Whether it made a new answer."""
    main = CuratedQuestion.objects.filter(
        answer__in=curated_answers_of(caller), key=question_key(row["question"]), position=0
    ).first()
    answer = main.answer if main else None
    given = _given(caller, row)
    if answer is None or "variants" in row:
        given["questions"] = [row["question"], *row.get("variants", "").splitlines()]
    write_curated_answer(caller, given, answer=answer, tell=False)
    return answer is None


def _given(caller: Caller, row: Mapping[str, str]) -> dict[str, Any]:
    given: dict[str, Any] = {"text": row["answer"]}
    for name in ("language", "audience"):
        if row.get(name, "").strip():
            given[name] = row[name].strip().lower()
    if "collection" in row:
        given["collection"] = row["collection"].strip() or None
    if "sources" in row:
        given["sources"] = [each.pk for each in find_named_articles(caller, row["sources"])]
    if row.get("enabled", "").strip():
        given["enabled"] = _truth(row["enabled"])
    if "valid_until" in row:
        given["valid_until"] = _moment(row["valid_until"].strip())
    return given


def _truth(cell: str) -> bool:
    word = cell.strip().lower()
    if word not in TRUTH:
        raise InvalidInput(f"enabled must be yes or no, not {cell[:40]!r}.")
    return TRUTH[word]


def _moment(cell: str) -> datetime | None:
    if not cell:
        return None
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError as error:
        raise InvalidInput(NO_MOMENT.format(cell=cell[:40])) from error
    if moment.year not in YEARS:
        raise InvalidInput(NO_MOMENT.format(cell=cell[:40]))
    return moment if moment.tzinfo else timezone.make_aware(moment)
