"""Keys of paid servers: read when used, shown to nobody."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from pydantic import SecretStr


def key_reader(option: str, *, setting: str) -> Callable[[], str]:
    """Reads the option, or else the setting of that name, each time: keys are changed while
    we run. "" when there is none."""
    given = SecretStr(option)

    def read() -> str:
        configured = getattr(settings, setting, None) or ""
        if isinstance(configured, SecretStr):
            configured = configured.get_secret_value()
        return (given.get_secret_value() or str(configured)).strip()

    return read
