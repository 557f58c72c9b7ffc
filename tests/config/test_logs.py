"""Logs: structured, and without the local variables of a traceback, which hold secrets."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog

from config.logs import _formatter


@pytest.mark.parametrize("as_json", [False, True])
def test_tracebacks_do_not_print_local_variables(as_json: bool) -> None:
    formatter = structlog.stdlib.ProcessorFormatter(
        **{key: value for key, value in _formatter(json=as_json).items() if key != "()"}
    )
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(formatter)
    logger = logging.getLogger(f"tests.logs.{as_json}")
    logger.propagate = False
    logger.addHandler(handler)
    digits = [number * 111 for number in (7, 8, 9)]
    try:
        int("x" * len(digits))
    except ValueError:
        logger.exception("went_wrong")
    assert "ValueError: invalid literal" in output.getvalue()
    assert "777" not in output.getvalue()
    if as_json:
        assert json.loads(output.getvalue())["event"] == "went_wrong"
