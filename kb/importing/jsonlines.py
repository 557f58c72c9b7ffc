"""JSONL: our own field names, or those of a BEIR corpus (`_id`, `title`, `text`)."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping

from kb.errors import InvalidInput
from kb.importing.decoding import decode
from kb.importing.files import SourceFile
from kb.importing.items import ImportItem, Problem, Reading, id_from_title, title_from
from kb.importing.values import optional, tags_of, text_of

ID_FIELDS = ("external_id", "_id", "id")


def read_jsonlines(file: SourceFile) -> Iterator[Reading]:
    """One article or problem per line that is not blank; lines count from 1."""
    # Lines end at \n only: U+2028 and its like are allowed inside JSON strings.
    lines = file.read().removeprefix(codecs.BOM_UTF8).split(b"\n")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _read_line(line, file=file, origin=f"{file.name} line {number}")


def _read_line(line: bytes, *, file: SourceFile, origin: str) -> Reading:
    try:
        return _as_item(_parse(line), file=file, origin=origin)
    except InvalidInput as error:
        return Problem(origin, str(error).removeprefix("line 1: "))


def _parse(line: bytes) -> Mapping[str, object]:
    try:
        given = json.loads(decode(line))
    except json.JSONDecodeError as error:
        raise InvalidInput(f"broken JSON at column {error.colno}: {error.msg}") from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, deep nesting
        raise InvalidInput(f"broken JSON: {error}") from error
    if not isinstance(given, dict):
        raise InvalidInput("a JSON object is expected on each line")
    return given


def _as_item(given: Mapping[str, object], *, file: SourceFile, origin: str) -> ImportItem:
    body = text_of(given, "body") or text_of(given, "text")
    title = text_of(given, "title") or title_from(body, otherwise="")
    own_id = next(filter(None, (text_of(given, name) for name in ID_FIELDS)), "")
    return ImportItem(
        origin=origin,
        external_id=own_id or id_from_title(file.file_id, title),
        title=title,
        body=body,
        tags=tags_of(given.get("tags")),
        **optional(given),
    )
