"""What happens when articles changed: rows for the work, and a nudge for the workers."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import structlog
from django.db import OperationalError, connection, transaction
from django.db.models.signals import pre_delete

from embeddings.announcing import register_version_events
from embeddings.indexing import register_indexing_status
from embeddings.metrics import register_metrics
from embeddings.models import Campaign, VersionEvent
from embeddings.nudging import nudge_version
from embeddings.services.campaigns import nudge_campaigns
from embeddings.services.entries import ensure_entries
from embeddings.services.versions import ensure_first_version
from embeddings.signals import version_moved
from kb.models import Workspace
from kb.signals import articles_changed

log = structlog.get_logger(__name__)

PATIENCE = "1s"


def connect() -> None:
    """Called once, when the app is ready."""
    articles_changed.connect(on_articles_changed, dispatch_uid="embeddings")
    version_moved.connect(on_version_moved, dispatch_uid="embeddings")
    pre_delete.connect(
        lock_versions_of_workspace, sender=Workspace, dispatch_uid="embeddings.lock_versions"
    )
    register_indexing_status()
    register_version_events()
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
    _ensure_first_version(workspace)
    for version in workspace.index_versions.active():
        if ensure_entries(version, bulk=bulk):
            nudge_version(version.pk, bulk=bulk)


def on_version_moved(sender: object, *, event: VersionEvent, **_: Any) -> None:  # noqa: ARG001 - the shape of a receiver
    """Its campaign, if it is of one, goes on."""
    campaigns = Campaign.objects.unfinished().filter(turns__version=event.version_id)
    if campaigns.exists():
        nudge_campaigns()


def lock_versions_of_workspace(instance: Workspace, **_: object) -> None:
    """Before anything of a workspace is deleted, in the order of whoever cuts over or stores:
    then one waits for the other, and neither in a circle."""
    Workspace.objects.select_for_update().filter(pk=instance.pk).first()
    versions = instance.index_versions.select_for_update().order_by("pk")
    list(versions.values_list("pk", flat=True))


def _ensure_first_version(workspace: Workspace) -> None:
    """Making partitions waits where others are just taken out, for as long as somebody reads;
    whoever saves does not: the sweep does it then."""
    if workspace.index_versions.live().exists():
        return
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [PATIENCE])
            ensure_first_version(workspace)
    except OperationalError as error:
        log.warning("first_version_left_to_the_sweep", workspace=workspace.pk, error=str(error))
