"""Making workspaces."""

from __future__ import annotations

import re

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from kb.errors import Conflict, InvalidInput
from kb.languages import Language
from kb.models import Membership, Role, Workspace
from kb.services.announcing import announce

SLUG = re.compile("[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def create_workspace(
    *,
    slug: str,
    name: str = "",
    owner: User | None = None,
    default_language: str = Language.ENGLISH,
) -> Workspace:
    """A new tenant, with its owner if given; it gets its live index right after the commit.

    Raises InvalidInput for a slug that does not fit a host name label, Conflict if taken.
    """
    if not SLUG.fullmatch(slug):
        raise InvalidInput(
            f"{slug!r} is no slug: lower-case letters, digits and hyphens, at most 63.",
            field="slug",
        )
    try:
        with transaction.atomic():
            workspace = Workspace.objects.create(
                slug=slug, name=name or slug, default_language=default_language
            )
            if owner is not None:
                Membership.objects.create(workspace=workspace, user=owner, role=Role.OWNER)
            announce(workspace.pk, [])
    except IntegrityError as error:
        raise Conflict(f"There is a workspace {slug!r} already.") from error
    return workspace
