"""API keys: `ub_<prefix>_<secret>`, shown once, stored as a hash."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone

from kb.errors import InvalidInput
from kb.models import ApiKey, Scope, Workspace

PREFIX_BYTES = 4
SECRET_BYTES = 32


def create_api_key(
    workspace: Workspace,
    *,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """The key's row and its token, which cannot be had again. Raises InvalidInput."""
    unknown = sorted(set(scopes) - set(Scope.values))
    if unknown or not scopes:
        known = ", ".join(Scope.values)
        raise InvalidInput(f"Scopes are {known}; got {unknown or 'none'}.", field="scopes")
    prefix, secret = secrets.token_hex(PREFIX_BYTES), secrets.token_urlsafe(SECRET_BYTES)
    key = ApiKey.objects.create(
        workspace=workspace,
        name=name,
        prefix=prefix,
        secret_hash=hash_secret(secret),
        scopes=sorted({str(scope) for scope in scopes}),
        expires_at=expires_at,
    )
    return key, f"ub_{prefix}_{secret}"


def revoke_api_key(key: ApiKey) -> ApiKey:
    """From the next request on the key opens nothing; twice is once."""
    if key.revoked_at is None:
        key.revoked_at = timezone.now()
        key.save(update_fields=["revoked_at"])
    return key


def hash_secret(secret: str) -> str:
    """SHA-256: the secret has 256 random bits, so no slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()
