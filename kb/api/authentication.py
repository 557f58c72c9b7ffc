"""API keys in the Authorization header."""

from __future__ import annotations

import hmac
import re
from datetime import timedelta

from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from kb.access import Caller, caller_for_key
from kb.models import ApiKey
from kb.services.keys import hash_secret

TOKEN = re.compile(r"^ub_([0-9a-f]{8})_([A-Za-z0-9_-]{20,100})$")
REFUSED = "The API key is not valid: unknown, revoked or expired."
SEEN_EVERY = timedelta(minutes=1)


class KeyHolder(AnonymousUser):
    """Who comes with a key: authenticated, but no person."""

    @property
    def is_authenticated(self) -> bool:  # type: ignore[override]  # of a key, not of a person
        """A key was checked."""
        return True


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer ub_…`; `request.auth` is then a `kb.access.Caller`."""

    def authenticate(self, request: Request) -> tuple[KeyHolder, Caller] | None:
        """None without a header (then the permission refuses with 401)."""
        header = request.headers.get("Authorization", "")
        if not header:
            return None
        scheme, _, token = header.partition(" ")
        match = TOKEN.match(token.strip())
        if scheme.lower() != "bearer" or match is None:
            raise AuthenticationFailed(REFUSED)
        return KeyHolder(), caller_for_key(_find_key(*match.groups()))

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - DRF's shape
        """Makes DRF answer 401 rather than 403."""
        return 'Bearer realm="api"'


def _find_key(prefix: str, secret: str) -> ApiKey:
    key = ApiKey.objects.select_related("workspace").filter(prefix=prefix).first()
    expected = key.secret_hash if key else "0" * 64
    matches = hmac.compare_digest(expected, hash_secret(secret))
    if key is None or not matches or not key.usable:
        raise AuthenticationFailed(REFUSED)
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at > SEEN_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped base
    """How the schema describes it."""

    target_class = ApiKeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:  # noqa: ARG002 - its shape
        """HTTP bearer."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "ub_<prefix>_<secret>"}
