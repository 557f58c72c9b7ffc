"""Tiny random-weight checkpoints in the real file layouts, and their tokenizers."""
