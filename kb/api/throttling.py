"""Rate limits per key, kept in Redis; without Redis they let pass, never fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from kb.access import Caller

if TYPE_CHECKING:  # DRF's views import this module through the settings
    from rest_framework.views import APIView

log = structlog.get_logger(__name__)


class KeyThrottle(SimpleRateThrottle):
    """So many requests per key (or address) and span; the rate is in the settings."""

    scope = "key"

    def get_cache_key(self, request: Request, view: APIView) -> str:  # noqa: ARG002 - DRF's shape
        """One counter per key, or per address for who has none."""
        caller = request.auth
        key = caller.api_key if isinstance(caller, Caller) else None
        ident = f"key-{key.pk}" if key else self.get_ident(request)
        return self.cache_format % {"scope": self.scope, "ident": ident}

    def allow_request(self, request: Request, view: APIView) -> bool:
        """True while under the rate, and whenever the counters cannot be reached."""
        try:
            return bool(super().allow_request(request, view))
        except (RedisError, OSError) as error:
            log.warning("throttle_unavailable", error=str(error))
            return True


class QuestionThrottle(KeyThrottle):
    """For what runs a model."""

    scope = "questions"
