"""The knowledge base app: workspaces, articles, revisions, import, full-text search."""

from django.apps import AppConfig


class KbConfig(AppConfig):
    """Lowest of the three apps: it imports neither embeddings nor chat."""

    name = "kb"
    verbose_name = "Knowledge base"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listen for workspaces that go."""
        from kb import receivers

        receivers.connect()
