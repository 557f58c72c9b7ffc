"""The chat app: retrieval, answers, conversations, traces, evaluation."""

from django.apps import AppConfig


class ChatConfig(AppConfig):
    """Topmost of the three apps."""

    name = "chat"
    verbose_name = "Chat"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listen for index versions that move."""
        from chat import receivers

        receivers.connect()
