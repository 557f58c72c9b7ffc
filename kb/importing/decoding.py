"""Bytes to text: UTF-8 or a clear refusal, since guessing an encoding corrupts in silence."""

from __future__ import annotations

import codecs

from kb.errors import InvalidInput


def decode(data: bytes) -> str:
    """Strict UTF-8; a byte order mark is dropped. Raises InvalidInput naming line and byte."""
    payload = data.removeprefix(codecs.BOM_UTF8)
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        line = 1 + payload.count(b"\n", 0, error.start)
        at = error.start + len(data) - len(payload)
        raise InvalidInput(
            f"line {line}: byte {at} (0x{payload[error.start]:02x}) is not UTF-8; "
            "save the file as UTF-8."
        ) from error
