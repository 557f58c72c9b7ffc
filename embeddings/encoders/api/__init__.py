"""Encoders behind HTTP: paid APIs, model servers, and our own encoder server."""
