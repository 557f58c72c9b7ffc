"""The HTTP API of questions and answers."""
