"""Routes below /api/v1/."""

from __future__ import annotations

from django.urls import path

from chat.api.views import (
    ConversationsView,
    ConversationView,
    MessagesView,
    RetrieveView,
    TraceView,
)

urlpatterns = [
    path("retrieve", RetrieveView.as_view(), name="retrieve"),
    path("conversations/", ConversationsView.as_view(), name="conversations"),
    path("conversations/<uuid:conversation_id>/", ConversationView.as_view(), name="conversation"),
    path(
        "conversations/<uuid:conversation_id>/messages/",
        MessagesView.as_view(),
        name="messages",
    ),
    path("traces/<uuid:trace_id>/", TraceView.as_view(), name="trace"),
]
