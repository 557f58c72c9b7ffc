"""Markdown, with or without YAML front matter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import yaml

from kb.errors import InvalidInput
from kb.importing.decoding import decode
from kb.importing.files import SourceFile
from kb.importing.items import ImportItem, Reading
from kb.importing.values import optional, tags_of, text_of

FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
FIRST_HEADING = re.compile(r"^#[ \t]+(.+?)[ \t]*#*$|^(.+)\n=+[ \t]*$", re.MULTILINE)


def read_markdown(file: SourceFile) -> Iterator[Reading]:
    """One article; title: front matter, else the first heading, else the file's name."""
    text = decode(file.read()).replace("\r\n", "\n")
    given, body = split_front_matter(text)
    yield ImportItem(
        origin=file.name,
        external_id=text_of(given, "external_id") or file.file_id,
        title=text_of(given, "title") or _first_heading(body) or file.stem,
        body=body,
        tags=tags_of(given.get("tags")),
        **optional(given),
    )


def split_front_matter(text: str) -> tuple[Mapping[str, object], str]:
    """What stands between the two `---`, and the body. Raises InvalidInput for broken YAML.

    A horizontal rule at the top is no front matter: then all of the text is the body.
    """
    match = FRONT_MATTER.match(text)
    if match is None:
        return {}, text
    try:
        # BaseLoader makes only strings, lists and mappings: `no` stays a language.
        given = yaml.load(match.group(1) or "", Loader=yaml.BaseLoader)  # noqa: S506 - see above
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 2}: " if mark else ""
        reason = getattr(error, "problem", None) or "not YAML"
        raise InvalidInput(f"{line}the front matter is broken: {reason}") from error
    except RecursionError as error:
        raise InvalidInput("the front matter is nested too deeply") from error
    if isinstance(given, dict):
        return given, text[match.end() :]
    return {}, text if given else text[match.end() :]


def _first_heading(body: str) -> str:
    match = FIRST_HEADING.search(body)
    return (match.group(1) or match.group(2)).strip() if match else ""
