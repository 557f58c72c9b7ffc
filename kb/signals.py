"""The one way in which the knowledge base speaks upward."""

from django.dispatch import Signal

# Sent after the commit that changed what may be searched (published, unpublished,
# archived, deleted, or a new workspace), with:
# `workspace_id` (an int), `article_ids` (a list of ints; empty for a new workspace, and some
# may be deleted already) and `bulk` (True for imports: many articles, nobody waits for one).
# Receivers must not raise: the change is stored whether they succeed or not.
articles_changed = Signal()
