"""What is left to embed, and how each revision fared: the truth behind every job."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from embeddings.models.index_version import IndexVersion
from kb.models import Revision


class EntryState(models.TextChoices):
    """Life of one revision in one index version."""

    PENDING = "pending", "Pending"
    EMBEDDING = "embedding", "Embedding"
    EMBEDDED = "embedded", "Embedded"
    PARKED = "parked", "Parked"


class IndexEntryQuerySet(models.QuerySet["IndexEntry"]):
    """Reads, named as the question."""

    def waiting(self) -> Self:
        """Entries that a worker may claim now: pending and due, or with a lease run out."""
        now = timezone.now()
        return self.filter(
            Q(state=EntryState.PENDING, due_at__lte=now)
            | Q(state=EntryState.EMBEDDING, lease_until__lt=now)
        )

    def unfinished(self) -> Self:
        """Entries that still have to be embedded, due or not."""
        return self.filter(state__in=[EntryState.PENDING, EntryState.EMBEDDING])

    def parked(self) -> Self:
        """Entries given up after too many attempts, until somebody retries them."""
        return self.filter(state=EntryState.PARKED)

    def current(self) -> Self:
        """Entries of revisions that are published now."""
        return self.filter(revision__published_of__isnull=False)


class IndexEntry(models.Model):
    """One published revision in one index version.

    A worker owns the row while `state` is `embedding`, `lease` is its own random token and
    `lease_until` has not passed; it may write vectors only while that holds (a fence
    against a worker that was thought dead and woke up).
    """

    index_version = models.ForeignKey(
        IndexVersion, on_delete=models.CASCADE, related_name="entries"
    )
    revision = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="index_entries")
    state = models.CharField(max_length=16, choices=EntryState.choices, default=EntryState.PENDING)
    bulk = models.BooleanField(default=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    reason = models.TextField(blank=True)
    due_at = models.DateTimeField(default=timezone.now)
    lease = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=200, blank=True)
    queued_at = models.DateTimeField(default=timezone.now)
    embedded_at = models.DateTimeField(null=True, blank=True)
    tokens = models.PositiveIntegerField(null=True, blank=True)
    windows = models.PositiveIntegerField(null=True, blank=True)
    covered_characters = models.PositiveIntegerField(null=True, blank=True)

    objects = IndexEntryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "index entries"
        constraints = [
            models.UniqueConstraint(
                fields=["index_version", "revision"], name="one_entry_per_revision"
            ),
            models.CheckConstraint(
                condition=Q(state__in=EntryState.values), name="index_entry_state_known"
            ),
            models.CheckConstraint(
                condition=~Q(state="embedding") | Q(lease__isnull=False, lease_until__isnull=False),
                name="embedding_means_leased",
            ),
        ]
        indexes = [
            models.Index(
                fields=["index_version", "bulk", "queued_at"],
                condition=Q(state__in=["pending", "embedding"]),
                name="index_entry_unfinished",
            ),
            models.Index(
                fields=["queued_at"],
                condition=Q(state__in=["pending", "embedding"], bulk=False),
                name="index_entry_edits",
            ),
            models.Index(fields=["index_version", "state"], name="index_entry_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.revision} in {self.index_version}: {self.state}"
