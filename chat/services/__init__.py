"""Writes of the chat app, one function each."""
