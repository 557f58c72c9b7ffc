"""Where the embedded servers keep their data and their sockets."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from config.runtime.errors import RuntimeFailure

PROJECT_ROOT = Path(__file__).resolve().parents[2]
# Linux takes 107 bytes for a socket's path and macOS 103.
SOCKET_PATH_BYTES = 103
LONGEST_SOCKET = "postgres/.s.PGSQL.5432"


def default_data_dir() -> Path:
    """UNABRIDGED_DATA_DIR (relative to the checkout), else `.data` in the checkout."""
    named = os.environ.get("UNABRIDGED_DATA_DIR") or ".data"
    return (PROJECT_ROOT / Path(named).expanduser()).resolve()


def socket_dir(data_dir: Path) -> Path:
    """The folder for sockets: inside the data folder, else a short one in /tmp.

    For paths too long for a socket, and with a comma, which libpq takes for a list of hosts.
    Depends only on the data folder and the user, so that each process finds the same place;
    TMPDIR differs between shells and is not asked.
    """
    near = data_dir / "run"
    if len(os.fsencode(near / LONGEST_SOCKET)) <= SOCKET_PATH_BYTES and "," not in str(near):
        return near
    name = f"unabridged-{os.geteuid()}-{short_hash(data_dir)}"
    return Path("/tmp") / name  # noqa: S108 (claim_folder checks whose it is)


def short_hash(path: Path) -> str:
    """Twelve characters that stand for a path."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def claim_folder(folder: Path, *, mode: int = 0o700) -> None:
    """Make `folder` ours with this mode, or say who has it.

    Raises RuntimeFailure for a folder of another user and for a link.
    """
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        message = f"cannot make {folder}: {error}. Set UNABRIDGED_DATA_DIR to a writable folder."
        raise RuntimeFailure(message) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise RuntimeFailure(
            f"{folder} belongs to user id {found.st_uid}, and this is user id {os.geteuid()}: "
            "run as that user, or set UNABRIDGED_DATA_DIR to another folder."
        )
    if stat.S_IMODE(found.st_mode) != mode:
        folder.chmod(mode)


def claim_data_dir(data_dir: Path) -> None:
    """Make the data folder with its parts, private and ignored by git. Raises RuntimeFailure.

    For root the way to the database stays passable (0711): its server runs as another user.
    """
    passable = 0o711 if os.geteuid() == 0 else 0o700
    claim_folder(data_dir, mode=passable)
    claim_folder(socket_dir(data_dir), mode=passable)
    claim_folder(data_dir / "log")
    claim_folder(data_dir / "redis")
    ignore = data_dir / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")
