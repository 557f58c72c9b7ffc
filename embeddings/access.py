"""Index versions on behalf of somebody: those of other workspaces do not exist for them."""

from __future__ import annotations

from django.db.models import Count, Q, QuerySet

from embeddings.models import EntryState, IndexEntry, IndexVersion
from embeddings.services.moving import Actor
from embeddings.services.running import version_of
from kb.access import Caller, Permission, require
from kb.models import Audience

# A request is not held for as long as a command may wait: who is refused tries again.
REQUEST_PATIENCE = 5.0
COUNTED = {
    "done": (EntryState.EMBEDDED,),
    "pending": (EntryState.PENDING,),
    "embedding": (EntryState.EMBEDDING,),
    "parked": (EntryState.PARKED,),
    "total": tuple(EntryState),
}


def versions_of(caller: Caller) -> QuerySet[IndexVersion]:
    """The versions of the caller's workspace, the newest first. Raises Forbidden."""
    require(caller, Permission.INDEX_READ)
    return IndexVersion.objects.filter(workspace=caller.workspace).order_by("-number")


def access_version(caller: Caller, number: int, permission: Permission) -> IndexVersion:
    """One version by its number. Raises Forbidden or NoVersion."""
    require(caller, permission)
    return version_of(caller.workspace, number)


def parked_articles(caller: Caller, version: IndexVersion) -> QuerySet[IndexEntry]:
    """Entries that were given up, of the articles that exist for the caller, oldest first."""
    parked = IndexEntry.objects.filter(index_version=version).current().parked()
    if not caller.include_internal:
        parked = parked.filter(revision__audience=Audience.PUBLIC)
    return parked.select_related("revision__article").order_by("pk")


def may_read_questions(caller: Caller) -> bool:
    """Whether the questions of a verdict are shown: people wrote them, some of internal articles.

    A key needs what it needs to read such questions in traces.
    """
    return Permission.TRACES_READ in caller.permissions and caller.include_internal


def with_counts(versions: QuerySet[IndexVersion]) -> QuerySet[IndexVersion]:
    """Each with how many published revisions it has, by state: `done_count` and so on."""
    published = Q(entries__revision__published_of__isnull=False)
    return versions.annotate(
        **{
            f"{name}_count": Count("entries", filter=published & Q(entries__state__in=states))
            for name, states in COUNTED.items()
        }
    )


def actor_of(caller: Caller) -> Actor:
    """Who is written down for what the caller does."""
    if caller.user is not None:
        return Actor(name=caller.user.get_username(), user=caller.user)
    if caller.api_key is not None:
        return Actor(name=f"API key {caller.api_key.name}")
    return Actor(name="system")
