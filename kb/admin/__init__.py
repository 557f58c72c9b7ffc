"""Admin of the knowledge base; importing it registers every page."""

from kb.admin import articles, collections, keys, users, webhooks, workspaces

__all__ = ["articles", "collections", "keys", "users", "webhooks", "workspaces"]
