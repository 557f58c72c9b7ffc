"""The HTTP API of the knowledge base, and what the other apps' APIs share with it."""
