"""CSV with a header: `title` and `body`, and any of the other fields of an article."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO

from kb.errors import InvalidInput
from kb.importing.decoding import decode
from kb.importing.files import MAX_FILE_BYTES, SourceFile
from kb.importing.items import ImportItem, Problem, Reading, id_from_title
from kb.importing.values import optional, tags_of, text_of

REQUIRED = ("title", "body")
# The module's own limit of 131,072 characters is below that of an article; it can only be
# set for the whole process.
csv.field_size_limit(MAX_FILE_BYTES)


def read_csv(file: SourceFile) -> Iterator[Reading]:
    """One article or problem per row; its origin is the line on which the row begins."""
    text = decode(file.read())
    rows = csv.reader(StringIO(text, newline=""), delimiter=delimiter_of(text), strict=True)
    header = [name.strip().lower() for name in next(rows, [])]
    _require_header(header)
    while True:
        origin = f"{file.name} line {rows.line_num + 1}"
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Problem(origin, f"broken CSV: {error}")
            return
        if any(row):
            yield _read_row(header, row, file=file, origin=origin)


def delimiter_of(text: str) -> str:
    """What stands between the columns of the header: spreadsheets differ by country."""
    header = text.partition("\n")[0]
    return max(",;\t", key=header.count)


def _require_header(header: list[str]) -> None:
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise InvalidInput(f"line 1: the header has no column {' and no '.join(missing)}")
    if len(set(header)) != len(header):
        raise InvalidInput("line 1: the header names a column twice")


def _read_row(header: list[str], row: list[str], *, file: SourceFile, origin: str) -> Reading:
    if len(row) != len(header):
        return Problem(origin, f"has {len(row)} columns, the header has {len(header)}")
    given = {name: value for name, value in zip(header, row, strict=True) if value.strip()}
    title = text_of(given, "title")
    return ImportItem(
        origin=origin,
        external_id=text_of(given, "external_id") or id_from_title(file.file_id, title),
        title=title,
        body=given.get("body", ""),
        tags=tags_of(given.get("tags")),
        **optional(given),
    )
