"""Django's SECRET_KEY: from the environment, else one kept in the data folder."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from config.env import Environment
from config.runtime.paths import default_data_dir


def load_secret_key(env: Environment) -> str:
    """The key that signs sessions; made once (mode 0600) where none is set.

    Several machines must share one: set SECRET_KEY there.
    """
    if env.secret_key is not None:
        return env.secret_key.get_secret_value()
    path = default_data_dir() / "secret_key"
    if not path.exists():
        _create(path)
    return path.read_text().strip()


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(50))
    try:
        os.link(draft, path)  # atomic, and leaves the key of a faster process in place
    except FileExistsError:
        pass
    finally:
        draft.unlink()
