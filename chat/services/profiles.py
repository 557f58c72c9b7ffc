"""Saving retrieval profiles: what cannot be used is not stored."""

from __future__ import annotations

from django.db import transaction

from chat.models import RetrievalProfile
from chat.retrieval.settings import PipelineSettings, parse_settings
from embeddings.rerankers.registry import configuration
from kb.access import Caller, Permission, require


def save_profile(
    caller: Caller, *, name: str, settings: object, is_default: bool = False
) -> RetrievalProfile:
    """Make the workspace's profile `name`, or change it; a new default takes the old one's place.

    Raises Forbidden, InvalidInput, UnknownReranker.
    """
    require(caller, Permission.INDEX_OPERATE)
    check_profile(name, settings)
    with transaction.atomic():
        mine = RetrievalProfile.objects.filter(workspace=caller.workspace)
        if is_default:
            mine.exclude(name=name).filter(is_default=True).update(is_default=False)
        profile, _ = mine.update_or_create(
            workspace=caller.workspace,
            name=name,
            defaults={"settings": settings, "is_default": is_default},
        )
    return profile


def check_profile(name: str, settings: object) -> PipelineSettings:
    """The settings as the pipeline takes them. A reranker must be configured when it is chosen;
    one that goes later is skipped. Raises InvalidInput, UnknownReranker."""
    parsed = parse_settings(name, settings)
    if parsed.reranker:
        configuration(parsed.reranker)
    return parsed
