"""Files to read articles from: one, those of a folder, or those of a zip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from kb.errors import TooLarge

MAX_FILE_BYTES = 200_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file by its path relative to what is imported; `read` gives its bytes, once asked."""

    name: str
    read: Callable[[], bytes]

    @property
    def suffix(self) -> str:
        """In lower case, with its dot."""
        return PurePosixPath(self.name).suffix.lower()

    @property
    def file_id(self) -> str:
        """The relative path without the suffix."""
        return str(PurePosixPath(self.name).with_suffix(""))

    @property
    def stem(self) -> str:
        """The file's own name as words, for a title when there is no better one."""
        return PurePosixPath(self.name).stem.replace("-", " ").replace("_", " ").strip()

    @property
    def hidden(self) -> bool:
        """What systems leave lying about (`.DS_Store`, `__MACOSX/`), which nobody means."""
        parts = PurePosixPath(self.name).parts
        return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def single_file(path: Path) -> SourceFile:
    """The file itself; its name is what it is imported under."""
    return SourceFile(name=_printable(path.name), read=partial(read_bounded, path))


def files_in_folder(folder: Path) -> Iterator[SourceFile]:
    """Every regular file below, in the order of their names; links are not followed."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            name = _printable(path.relative_to(folder).as_posix())
            yield SourceFile(name=name, read=partial(read_bounded, path))


def read_bounded(path: Path) -> bytes:
    """All bytes of a file. Raises TooLarge before reading."""
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise TooLarge(
            f"{path.name} has {size:,} bytes; files of up to {MAX_FILE_BYTES:,} are read."
        )
    return path.read_bytes()


def _printable(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()
