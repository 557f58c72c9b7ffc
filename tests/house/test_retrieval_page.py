"""The page about retrieval lists the settings that there are, with their real defaults."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chat.retrieval.settings import LIMITS, PipelineSettings, parse_settings
from kb.errors import InvalidInput

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "retrieval.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| (\S+) \| (.+) \|$", re.MULTILINE)
RANGE = re.compile(r"\(([\d.,]+) to ([\d.,]+)\)$")

ROWS = {
    name: (default, meaning) for name, default, meaning in ROW.findall(PAGE.split("## Settings")[1])
}


def shown(value: object) -> str:
    """A default as the page writes it."""
    return (
        {"": "none", True: "true"}.get(value, str(value))
        if isinstance(value, str | bool)
        else str(value)
    )


def test_each_setting_has_its_row_with_its_default_and_in_order() -> None:
    values = PipelineSettings().as_json()
    del values["name"]
    assert {name: default for name, (default, _) in ROWS.items()} == {
        name: shown(value) for name, value in values.items()
    }
    assert list(ROWS) == list(values)


@pytest.mark.parametrize("name", LIMITS)
def test_each_number_says_its_range(name: str) -> None:
    found = RANGE.search(ROWS[name][1])
    assert found
    low, high = (float(number.replace(",", "")) for number in found.groups())
    assert (low, high) == LIMITS[name][1:]
    with pytest.raises(InvalidInput):
        parse_settings("mine", {name: high + 1})
