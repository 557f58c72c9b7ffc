"""Admin of conversations and traces; importing it registers every page."""

from chat.admin import conversations, profiles, traces

__all__ = ["conversations", "profiles", "traces"]
