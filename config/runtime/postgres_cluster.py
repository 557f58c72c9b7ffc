"""Make a database cluster and a database with the bundled programs."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import mkdtemp

from config.runtime.accounts import Account, open_tree, open_way_to, own
from config.runtime.errors import RuntimeFailure

logger = logging.getLogger(__name__)
# Sorting by the server's own C.UTF-8 is the same on each system. The character classes of text
# search still come from the C library: its C.UTF-8 where it has one, else plain C.
LOCALES = ("C.UTF-8", "C")


def server_environment() -> dict[str, str]:
    """The few variables that the server programs need: no PG* and no secrets of ours."""
    kept = ("PATH", "LD_LIBRARY_PATH", "TZ")
    return {**{name: os.environ[name] for name in kept if name in os.environ}, "LC_ALL": "C"}


def open_to(account: Account, *, programs: Path, folders: Iterable[Path]) -> None:
    """Let the server's user reach its folders and programs, and change no more than needed."""
    for folder in folders:
        open_way_to(folder)
        if folder.exists():
            own(folder, account)
    open_way_to(programs)
    if not _runs(programs, account):
        package = programs.parents[1]
        open_tree(package)
        open_tree(package.with_name(f"{package.name}.libs"))


def make_cluster(cluster: Path, *, programs: Path, account: Account | None, user: str) -> None:
    """Run initdb beside `cluster` and move the result there, so that no half-made one counts.

    Each run has a folder of its own: the initdb of a starter that was killed may still write.
    The role `user` is the superuser. Raises RuntimeFailure.
    """
    logger.info("making a database cluster in %s", cluster)
    _remove_half_made(cluster)
    failure = ""
    for locale in LOCALES:
        fresh = _empty_folder_beside(cluster, account)
        done = _run([str(programs / "initdb"), *_initdb_options(fresh, user, locale)], account)
        if done.returncode == 0:
            _put_in_place(fresh, cluster)
            _remove_half_made(cluster)
            return
        failure = done.stderr.strip()
    raise RuntimeFailure(f"initdb failed: {failure}")


def make_database(name: str, *, programs: Path, sockets: Path, port: int, user: str) -> None:
    """Create an empty database. Raises RuntimeFailure."""
    where = ["-h", str(sockets), "-p", str(port), "-U", user]
    done = _run([str(programs / "createdb"), *where, "--maintenance-db=postgres", name], None)
    if done.returncode:
        raise RuntimeFailure(f"cannot create the database {name}: {done.stderr.strip()}")


def _initdb_options(folder: Path, user: str, locale: str) -> list[str]:
    return [
        "--pgdata",
        str(folder),
        "--username",
        user,
        "--auth-local=trust",  # the socket's folder lets only its owner in
        "--auth-host=reject",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        f"--lc-ctype={locale}",
        "--text-search-config=simple",
    ]


def _put_in_place(fresh: Path, cluster: Path) -> None:
    """Never over a folder with anything in it: that may be somebody's data."""
    try:
        fresh.rename(cluster)
    except OSError as error:
        message = f"{cluster} exists and is no database cluster: move it away, then start again."
        raise RuntimeFailure(message) from error


def _empty_folder_beside(cluster: Path, account: Account | None) -> Path:
    folder = Path(mkdtemp(prefix=f"{cluster.name}.new-", dir=cluster.parent))
    if account is not None:
        own(folder, account)
    return folder


def _remove_half_made(cluster: Path) -> None:
    for folder in cluster.parent.glob(f"{cluster.name}.new-*"):
        shutil.rmtree(folder, ignore_errors=True)


def _runs(programs: Path, account: Account) -> bool:
    try:
        return _run([str(programs / "postgres"), "--version"], account).returncode == 0
    except RuntimeFailure:
        return False


def _run(argv: Sequence[str], account: Account | None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            argv,
            cwd="/",
            env=server_environment(),
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            umask=0o077,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    except OSError as error:
        raise RuntimeFailure(f"cannot run {argv[0]}: {error}") from error
