"""Servers that stand in for paid or heavy ones, on the loopback, over real HTTP."""
