"""What the embedding side tells of, after the commit."""

from __future__ import annotations

from django.dispatch import Signal

# Sent with `event` (a VersionEvent) and `workspace_id` when an index version has moved.
version_moved = Signal()
