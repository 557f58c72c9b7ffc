"""The one error of the embedded runtime."""

from __future__ import annotations


class RuntimeFailure(Exception):
    """Something the product runs by itself did not start or stop; the message says what to do."""
