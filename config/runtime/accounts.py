"""Who the database server runs as: PostgreSQL refuses to run as root."""

from __future__ import annotations

import logging
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from config.runtime.errors import RuntimeFailure

logger = logging.getLogger(__name__)
NAME = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A system user to run a server as."""

    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """`nobody` when we are root, else None: the server then runs as ourselves.

    Creates no user. Raises RuntimeFailure on a system without `nobody`.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(NAME)
    except KeyError as error:
        raise RuntimeFailure(
            f"PostgreSQL does not run as root and this system has no user {NAME!r}: "
            "run as a normal user, or set DATABASE_URL."
        ) from error
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def own(folder: Path, account: Account) -> None:
    """Make an empty or existing folder that `account` owns alone."""
    folder.mkdir(mode=0o700, exist_ok=True)
    os.chown(folder, account.uid, account.gid)
    folder.chmod(0o700)


def open_way_to(path: Path) -> None:
    """Let other users walk through the folders above `path` (o+x, not read), where they cannot.

    What a home folder of mode 0700 needs so that `nobody` reaches a checkout inside it.
    """
    for folder in path.resolve().parents:
        mode = stat.S_IMODE(folder.stat().st_mode)
        if not mode & stat.S_IXOTH:
            logger.warning("making %s passable for the database server's user (o+x)", folder)
            folder.chmod(mode | stat.S_IXOTH)


def open_tree(top: Path) -> None:
    """Let other users read a folder of program files, as an install with umask 077 needs."""
    for path in (top, *top.rglob("*")):
        if path.is_symlink():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        read = stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
        if mode | read != mode:
            path.chmod(mode | read)
