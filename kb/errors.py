"""Errors of the domain: each says what the caller can do about it.

`config.errors` maps them to HTTP statuses; commands print the message as one line.
"""

from __future__ import annotations


class DomainError(Exception):
    """Base of everything that goes wrong for a reason the caller can act upon.

    `code` is the stable, machine-readable name in problem details.
    """

    code = "error"


class InvalidInput(DomainError):
    """Something given is not acceptable; nothing was changed."""

    code = "invalid"

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class TooLarge(InvalidInput):
    """Something given is over a size limit; nothing was changed."""

    code = "too_large"


class NotFound(DomainError):
    """No such thing within the caller's workspace (or it is another tenant's)."""

    code = "not_found"


class Forbidden(DomainError):
    """The caller's role or key does not allow this."""

    code = "forbidden"


class Conflict(DomainError):
    """The thing is in a state in which this cannot be done."""

    code = "conflict"


class OutboundRefused(InvalidInput):
    """An address that nothing is sent to: not https, or not on the public Internet."""

    code = "outbound_refused"


class OutboundFailed(DomainError):
    """Another server could not be reached or gave no whole answer in time; safe to retry."""

    code = "outbound_failed"


class ImportRefused(DomainError):
    """An import had faulty items and nothing of it was stored.

    `problems` names each: a file and, where there is one, a line.
    """

    code = "import_refused"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems[:5]) + (" …" if len(problems) > 5 else ""))
        self.problems = problems
