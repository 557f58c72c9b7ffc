"""API keys: who may call the HTTP API, for which workspace, and what for."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from kb.models.workspace import Workspace


class Scope(models.TextChoices):
    """What a key opens. `internal` only widens what the others may see."""

    ARTICLES_READ = "articles:read", "Read articles"
    ARTICLES_WRITE = "articles:write", "Write and delete articles"
    ARTICLES_PUBLISH = "articles:publish", "Publish and unpublish articles"
    RETRIEVE = "retrieve", "Retrieve context"
    CHAT = "chat", "Hold conversations"
    TRACES_READ = "traces:read", "Read traces"
    INDEX_READ = "index:read", "See index versions"
    INDEX_OPERATE = "index:operate", "Re-embed, cut over and roll back"
    INTERNAL = "internal", "See internal articles"


class ApiKey(models.Model):
    """A key bound to one workspace; only a hash of its secret is stored."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12, unique=True, editable=False)
    secret_hash = models.CharField(max_length=64, editable=False)
    scopes = ArrayField(models.CharField(max_length=32, choices=Scope.choices))
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def usable(self) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (
            self.expires_at is None or self.expires_at > timezone.now()
        )

    def allows(self, scope: Scope) -> bool:
        """Whether the key carries `scope`."""
        return scope in self.scopes
