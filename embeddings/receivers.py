"""What happens when articles changed: rows for the work, and a nudge for the workers."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from embeddings.indexing import register_indexing_status
from embeddings.metrics import register_metrics
from embeddings.services.entries import ensure_entries
from embeddings.services.versions import ensure_first_version
from embeddings.tasks import nudge
from kb.models import Workspace
from kb.signals import articles_changed


def connect() -> None:
    """Called once, when the app is ready."""
    articles_changed.connect(on_articles_changed, dispatch_uid="embeddings")
    register_indexing_status()
    register_metrics()


def on_articles_changed(
    sender: object,  # noqa: ARG001 - the shape of a receiver
    *,
    workspace_id: int,
    article_ids: Collection[int],  # noqa: ARG001 - the rows say which
    bulk: bool,
    **_: Any,
) -> None:
    """Make sure of a live version and of entries, then nudge; the sweep repeats all of it."""
    workspace = Workspace.objects.filter(pk=workspace_id).first()
    if workspace is None:
        return
    ensure_first_version(workspace)
    for version in workspace.index_versions.active():
        if ensure_entries(version, bulk=bulk):
            nudge(version.pk, bulk=bulk)
