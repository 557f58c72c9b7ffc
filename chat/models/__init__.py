"""Rows of the chat app."""

from chat.models.conversation import Citation, Conversation, Message, MessageRole
from chat.models.profile import RetrievalProfile
from chat.models.trace import Trace

__all__ = ["Citation", "Conversation", "Message", "MessageRole", "RetrievalProfile", "Trace"]
