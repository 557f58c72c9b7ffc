"""The caller behind a request that passed authentication."""

from __future__ import annotations

from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request

from kb.access import Caller


def caller_of(request: Request) -> Caller:
    """Raises NotAuthenticated (401) without a key: deny by default."""
    if not isinstance(request.auth, Caller):
        raise NotAuthenticated
    return request.auth
