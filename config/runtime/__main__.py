"""`python -m config.runtime prepare`: what bin/manage does before the command itself.

Servers up, database migrated, worker and beat on the present code; half a second when all is.
Only the embedded database is migrated: one that DATABASE_URL names is its operator's.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

from config.runtime.commands import manage
from config.runtime.errors import RuntimeFailure
from config.runtime.fingerprints import migrations_fingerprint
from config.runtime.locks import only_one
from config.runtime.paths import PROJECT_ROOT, default_data_dir
from config.runtime.servers import EmbeddedServers, ensure_services


def prepare() -> None:
    """Bring everything up that no URL names. Raises RuntimeFailure."""
    database_is_ours = not os.environ.get("DATABASE_URL")
    all_is_ours = database_is_ours and not os.environ.get("REDIS_URL")
    ensure_services()
    if database_is_ours:
        migrate_when_changed(default_data_dir())
    if all_is_ours:
        EmbeddedServers(default_data_dir()).start_processes()


def migrate_when_changed(data_dir: Path) -> None:
    """Run the migrations unless these very ones ran on this very cluster."""
    stamp, wanted = data_dir / "migrated", _wanted_stamp(data_dir)
    if _read(stamp) == wanted:
        return
    with only_one(data_dir / "migrate.lock", timeout=600):
        if _read(stamp) == wanted:
            return
        print("unabridged: migrating the database", file=sys.stderr)  # noqa: T201
        command = manage("migrate", "--no-input", "--skip-checks", "--verbosity=0")
        if subprocess.run(command.argv, cwd=PROJECT_ROOT, env=command.env, check=False).returncode:
            raise RuntimeFailure("the migrations failed (see above): run bin/manage migrate.")
        stamp.write_text(wanted)


def _wanted_stamp(data_dir: Path) -> str:
    made = (data_dir / "postgres" / "PG_VERSION").stat()
    return f"{migrations_fingerprint()} {made.st_ino} {made.st_mtime_ns}"


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def main(arguments: list[str]) -> int:
    """The exit status; a failure is one line on stderr."""
    logging.basicConfig(level=logging.INFO, format="unabridged: %(message)s")
    if arguments != ["prepare"]:
        sys.stderr.write("usage: python -m config.runtime prepare\n")
        return 2
    try:
        prepare()
    except RuntimeFailure as failure:
        sys.stderr.write(f"error: {failure}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
