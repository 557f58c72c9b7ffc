"""Writes of the knowledge base: one function each, whoever asks."""

from kb.services.articles import SavedArticle, delete_article, revert_article, save_article
from kb.services.keys import create_api_key, revoke_api_key
from kb.services.publishing import (
    archive_article,
    publish_article,
    restore_article,
    unpublish_article,
)
from kb.services.workspaces import create_workspace

__all__ = [
    "SavedArticle",
    "archive_article",
    "create_api_key",
    "create_workspace",
    "delete_article",
    "publish_article",
    "restore_article",
    "revert_article",
    "revoke_api_key",
    "save_article",
    "unpublish_article",
]
