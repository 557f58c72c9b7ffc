"""Zips: read member by member in memory, nothing is written to disk, every size is bounded."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath

from kb.errors import InvalidInput, TooLarge
from kb.importing.files import MAX_FILE_BYTES, SourceFile

MAX_MEMBERS = 20_000
MAX_UNPACKED_BYTES = 500_000_000
MAX_RATIO = 200
RATIO_MATTERS_FROM = 10_000_000
ENCRYPTED = 0x1


@contextmanager
def opened_zip(path: Path) -> Iterator[list[SourceFile]]:
    """The members, in the order of their names; they can be read until the block ends.

    Raises InvalidInput or TooLarge for an archive that is broken, encrypted, too big when
    unpacked, or that points outside of itself; before anything of it is read.
    """
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise InvalidInput(f"{path.name} is no zip that can be read: {error}.") from error
    with archive:
        members = checked_members(archive, path.name)
        yield [_as_file(archive, member, path.name) for member in members]


def require_modest_zip(data: bytes, name: str) -> None:
    """For formats that are zips inside (DOCX). Raises InvalidInput or TooLarge."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            checked_members(archive, name)
    except zipfile.BadZipFile as error:
        raise InvalidInput(f"{name} is damaged: {error}.") from error


def checked_members(archive: zipfile.ZipFile, name: str) -> list[zipfile.ZipInfo]:
    """The archive's files by name, once its own directory has been found acceptable."""
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) > MAX_MEMBERS:
        raise TooLarge(f"{name} has {len(members):,} files; at most {MAX_MEMBERS:,} are read.")
    for member in members:
        _require_inside(member, name)
        _require_size(member, name)
    total = sum(member.file_size for member in members)
    if total > MAX_UNPACKED_BYTES:
        raise TooLarge(
            f"{name} unpacks to {total:,} bytes; at most {MAX_UNPACKED_BYTES:,} are read."
        )
    return sorted(members, key=lambda member: member.filename)


def _require_inside(member: zipfile.ZipInfo, name: str) -> None:
    parts = PurePosixPath(member.filename.replace("\\", "/")).parts
    outside = not parts or parts[0] == "/" or ".." in parts or parts[0].endswith(":")
    if outside or stat.S_ISLNK(member.external_attr >> 16):
        raise InvalidInput(f"{name} holds {member.filename!r}, which points outside of it.")
    if member.flag_bits & ENCRYPTED:
        raise InvalidInput(f"{name} is encrypted; unpack it first.")


def _require_size(member: zipfile.ZipInfo, name: str) -> None:
    ratio = member.file_size / max(member.compress_size, 1)
    bomb = ratio > MAX_RATIO and member.file_size > RATIO_MATTERS_FROM
    if bomb or member.file_size > MAX_FILE_BYTES:
        raise TooLarge(
            f"{name} holds {member.filename!r}, which unpacks to {member.file_size:,} bytes."
        )


def _as_file(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> SourceFile:
    return SourceFile(
        name=member.filename.replace("\\", "/"),
        read=partial(_read_member, archive, member, name),
    )


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> bytes:
    """`zipfile` unpacks no more than the checked size, and checks the sum over what it got."""
    try:
        return archive.read(member)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise InvalidInput(f"cannot be unpacked from {name}: {error}") from error
