"""Who may do what: the only ways to reach a row on behalf of somebody.

A row of another tenant, or an internal one without the right to see it, does not exist for
the caller (NotFound); only a missing permission inside one's own workspace is Forbidden.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import QuerySet

from kb.errors import Forbidden, NotFound
from kb.models import ApiKey, Article, Membership, Revision, Role, Scope, Workspace
from kb.models.article import ArticleQuerySet


class Permission(StrEnum):
    """What can be allowed."""

    ARTICLES_READ = "read articles"
    ARTICLES_WRITE = "write articles"
    ARTICLES_PUBLISH = "publish articles"
    ANSWERS_WRITE = "write approved answers"
    RETRIEVE = "retrieve context"
    CHAT = "hold conversations"
    CONVERSATIONS_READ = "read conversations"
    TRACES_READ = "read traces"
    EVALUATE = "judge answers"
    INDEX_READ = "see the index"
    INDEX_OPERATE = "operate the index"
    WORKSPACE_MANAGE = "manage the workspace"


P = Permission
_READERS = frozenset({P.ARTICLES_READ, P.RETRIEVE, P.CHAT, P.INDEX_READ})

ROLE_PERMISSIONS: Mapping[str, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    Role.EDITOR: _READERS | {P.ARTICLES_WRITE},
    Role.REVIEWER: _READERS | {P.ARTICLES_WRITE, P.ARTICLES_PUBLISH, P.ANSWERS_WRITE, P.EVALUATE},
    Role.OPERATOR: _READERS | {P.INDEX_OPERATE, P.CONVERSATIONS_READ, P.TRACES_READ, P.EVALUATE},
    Role.ANALYST: _READERS | {P.CONVERSATIONS_READ, P.TRACES_READ, P.EVALUATE},
}

SCOPE_PERMISSIONS: Mapping[str, frozenset[Permission]] = {
    Scope.ARTICLES_READ: frozenset({P.ARTICLES_READ}),
    Scope.ARTICLES_WRITE: frozenset({P.ARTICLES_READ, P.ARTICLES_WRITE}),
    Scope.ARTICLES_PUBLISH: frozenset({P.ARTICLES_READ, P.ARTICLES_PUBLISH, P.ANSWERS_WRITE}),
    Scope.RETRIEVE: frozenset({P.RETRIEVE}),
    Scope.CHAT: frozenset({P.CHAT}),
    Scope.TRACES_READ: frozenset({P.TRACES_READ}),
    Scope.INDEX_READ: frozenset({P.INDEX_READ}),
    Scope.INDEX_OPERATE: frozenset({P.INDEX_READ, P.INDEX_OPERATE}),
    Scope.INTERNAL: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody at one workspace's door: a key, a member, or the system itself."""

    workspace: Workspace
    permissions: frozenset[Permission]
    include_internal: bool
    user: User | None = None
    api_key: ApiKey | None = None


def caller_for_key(key: ApiKey) -> Caller:
    """What a key's scopes open; the caller has checked its secret."""
    permissions = frozenset[Permission]().union(
        *(SCOPE_PERMISSIONS.get(scope, frozenset()) for scope in key.scopes)
    )
    return Caller(
        workspace=key.workspace,
        permissions=permissions,
        include_internal=key.allows(Scope.INTERNAL),
        api_key=key,
    )


def caller_for_member(user: User, workspace: Workspace) -> Caller:
    """What a person's role opens. Raises NotFound for who is no member, or deactivated."""
    permissions = _permissions_of(user, workspace) if user.is_active else None
    if permissions is None:
        raise NotFound("There is no such workspace.")
    return Caller(workspace=workspace, permissions=permissions, include_internal=True, user=user)


def caller_for_system(workspace: Workspace) -> Caller:
    """Commands: whoever runs them has the database anyway."""
    return Caller(workspace=workspace, permissions=frozenset(Permission), include_internal=True)


def require(caller: Caller, permission: Permission) -> None:
    """Raises Forbidden."""
    if permission not in caller.permissions:
        raise Forbidden(f"This needs the permission to {permission.value}.")


def articles_of(caller: Caller, permission: Permission) -> ArticleQuerySet:
    """The articles that exist for the caller. Raises Forbidden."""
    require(caller, permission)
    mine = Article.objects.in_workspace(caller.workspace)
    return mine.visible(include_internal=caller.include_internal)


def access_article(caller: Caller, article_id: int, permission: Permission) -> Article:
    """One article. Raises Forbidden, or NotFound for what does not exist for the caller."""
    articles = articles_of(caller, permission).with_texts().select_related("workspace")
    article = articles.filter(pk=article_id).first()
    if article is None:
        raise NotFound("There is no such article.")
    return article


def access_revision(
    caller: Caller, article_id: int, number: int, permission: Permission
) -> Revision:
    """One revision by its number within an article; internal ones only for who may see them."""
    article = access_article(caller, article_id, permission)
    revision = visible_revisions(caller, article).filter(number=number).first()
    if revision is None:
        raise NotFound("This article has no such revision.")
    return revision


def visible_revisions(caller: Caller, article: Article) -> QuerySet[Revision]:
    """An article's revisions, without those of an internal audience for outsiders."""
    revisions = article.revisions.all()
    return revisions if caller.include_internal else revisions.filter(audience="public")


def workspaces_of(user: User | AnonymousUser, permission: Permission) -> QuerySet[Workspace]:
    """Workspaces in which a person may do something; all of them for a superuser."""
    if not isinstance(user, User) or not user.is_active:
        return Workspace.objects.none()
    if user.is_superuser:
        return Workspace.objects.all()
    roles = [role for role, allowed in ROLE_PERMISSIONS.items() if permission in allowed]
    return Workspace.objects.filter(
        memberships__user_id=user.pk, memberships__role__in=roles
    ).distinct()


def access_workspace(user: User | AnonymousUser, slug: str, permission: Permission) -> Workspace:
    """One workspace by its slug. Raises NotFound."""
    workspace = workspaces_of(user, permission).filter(slug=slug).first()
    if workspace is None:
        raise NotFound("There is no such workspace.")
    return workspace


def _permissions_of(user: User, workspace: Workspace) -> frozenset[Permission] | None:
    if user.is_superuser:
        return frozenset(Permission)
    membership = Membership.objects.filter(user_id=user.pk, workspace=workspace).first()
    return ROLE_PERMISSIONS[membership.role] if membership else None
