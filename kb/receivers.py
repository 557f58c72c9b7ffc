"""What the knowledge base itself sees to when rows go."""

from __future__ import annotations

from django.db.models.signals import pre_delete

from kb.models import Workspace
from kb.services.statistics import forget_term_counts


def connect() -> None:
    """Called once, when Django is ready."""
    pre_delete.connect(
        forget_counts_of_workspace, sender=Workspace, dispatch_uid="kb.forget_term_counts"
    )


def forget_counts_of_workspace(instance: Workspace, **_: object) -> None:
    """In the transaction of the deletion, whoever deletes it."""
    forget_term_counts(instance.pk)
