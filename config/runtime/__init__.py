"""The servers and processes that a checkout runs by itself when no URL names others.

Used by `manage.py` and `bin/` before Django is up: nothing here imports Django. Import from the
modules (`config.runtime.servers`, `.urls`, `.commands`, `.processes`, `.errors`).
"""
