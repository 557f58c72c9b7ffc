"""From a path to items: picks the reader of each file and turns its complaints to problems."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from kb.errors import DomainError, InvalidInput
from kb.importing.archives import opened_zip
from kb.importing.documents import read_docx, read_pdf
from kb.importing.files import SourceFile, files_in_folder, single_file
from kb.importing.html import read_html
from kb.importing.items import Ignored, ImportItem, Problem, Reading
from kb.importing.jsonlines import read_jsonlines
from kb.importing.markdown import read_markdown
from kb.importing.tables import read_csv

READERS: Mapping[str, Callable[[SourceFile], Iterator[Reading]]] = {
    ".csv": read_csv,
    ".docx": read_docx,
    ".htm": read_html,
    ".html": read_html,
    ".jsonl": read_jsonlines,
    ".markdown": read_markdown,
    ".md": read_markdown,
    ".ndjson": read_jsonlines,
    ".pdf": read_pdf,
}
BEIR_CORPUS = "corpus.jsonl"


def read_items(path: Path | str, *, language: str | None = None) -> Iterator[Reading]:
    """Everything that a file, a folder or a zip holds, in the order of the names.

    `language` is for items that do not say theirs. One file is read at a time. Raises
    InvalidInput or TooLarge when the path as a whole cannot be read; what is wrong with a
    single file or line is yielded as a Problem.
    """
    path = Path(path)
    found = False
    for reading in _read_all(path):
        found = found or not isinstance(reading, Ignored)
        if isinstance(reading, ImportItem) and language and not reading.language:
            yield replace(reading, language=language)
        else:
            yield reading
    if not found:
        raise InvalidInput(f"{path} holds no article; known are: {', '.join(READERS)}.")


def _read_all(path: Path) -> Iterator[Reading]:
    if path.is_dir():
        yield from _read_files(files_in_folder(path))
    elif not path.is_file():
        raise InvalidInput(f"There is no file or folder {path}.")
    elif path.suffix.lower() == ".zip":
        with opened_zip(path) as members:
            yield from _read_files(members)
    else:
        yield from _read_file(single_file(path))


def _read_files(files: Iterable[SourceFile]) -> Iterator[Reading]:
    shown = [file for file in files if not file.hidden]
    corpus = _beir_corpus(shown)
    for file in shown:
        if corpus is None or file is corpus:
            yield from _read_file(file)
        else:
            yield Ignored(file.name)


def _beir_corpus(files: list[SourceFile]) -> SourceFile | None:
    """The corpus of a BEIR set: its questions and judgements are no articles."""
    tops = {PurePosixPath(file.name).parts[0] for file in files}
    expected = {BEIR_CORPUS} | (
        {f"{top}/{BEIR_CORPUS}" for top in tops} if len(tops) == 1 else set()
    )
    return next((file for file in files if file.name in expected), None)


def _read_file(file: SourceFile) -> Iterator[Reading]:
    reader = READERS.get(file.suffix)
    if reader is None:
        yield Ignored(file.name)
        return
    try:
        yield from reader(file)
    except (DomainError, OSError) as error:
        yield Problem(file.name, str(error))
