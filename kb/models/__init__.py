"""Rows of the knowledge base."""

from kb.models.article import Article, ArticleState
from kb.models.collection import Collection
from kb.models.event import ArticleEvent, EventKind
from kb.models.keys import ApiKey, Scope
from kb.models.revision import Audience, Revision
from kb.models.term_count import TermCount
from kb.models.webhook import DeliveryState, WebhookDelivery, WebhookEndpoint
from kb.models.workspace import Membership, Role, Workspace

__all__ = [
    "ApiKey",
    "Article",
    "ArticleEvent",
    "ArticleState",
    "Audience",
    "Collection",
    "DeliveryState",
    "EventKind",
    "Membership",
    "Revision",
    "Role",
    "Scope",
    "TermCount",
    "WebhookDelivery",
    "WebhookEndpoint",
    "Workspace",
]
