"""Routes below /api/v1/."""

from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from chat.api import trace_urls
from chat.api.curated import CuratedAnswerViewSet
from chat.api.views import (
    ConversationsView,
    ConversationView,
    MessagesView,
    RetrieveView,
)

router = SimpleRouter()
router.register("curated-answers", CuratedAnswerViewSet, basename="curated-answer")

urlpatterns = [
    *router.urls,
    path("retrieve", RetrieveView.as_view(), name="retrieve"),
    path("conversations/", ConversationsView.as_view(), name="conversations"),
    path("conversations/<uuid:conversation_id>/", ConversationView.as_view(), name="conversation"),
    path(
        "conversations/<uuid:conversation_id>/messages/",
        MessagesView.as_view(),
        name="messages",
    ),
    *trace_urls.urlpatterns,
]
