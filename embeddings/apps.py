"""The embeddings app: encoders, index versions, the embed loop, vector search."""

from django.apps import AppConfig


class EmbeddingsConfig(AppConfig):
    """Knows articles and vectors, nothing of chats."""

    name = "embeddings"
    verbose_name = "Embeddings"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listen for changed articles, and for queued work that has to be counted."""
        from embeddings import receivers

        receivers.connect()
