"""Progress and estimates as people read them at a terminal."""

from __future__ import annotations

import sys

import pytest

from embeddings.estimates.estimating import Estimate
from embeddings.models import IndexVersion
from embeddings.watching.progress import VersionProgress
from embeddings.watching.showing import duration, estimate_lines, pace_text, size, version_bar

PLAIN: dict[str, object] = {
    "workspace": "acme",
    "encoder": "jina-api",
    "strategy": "whole_late",
    "fingerprint": "f",
    "dimension": 1024,
    "window": 8192,
    "articles": 1_200,
    "counted": 1_200,
    "tokens": 1_000_000,
    "over_window": 3,
    "vectors": 40_000,
    "table_bytes": 109_000_000,
    "index_bytes": 0,
    "seconds": None,
    "seconds_from": "not known",
    "tokens_per_second": None,
    "paid": False,
    "paid_tokens": 0,
    "cost": None,
    "currency": "",
    "derived_from": None,
    "same_as": None,
    "warnings": (),
}


def lines(**values: object) -> list[str]:
    """Of an estimate that says nothing special otherwise."""
    return estimate_lines(Estimate(**(PLAIN | values)))  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (5_000, "83 min"),
        (12_000, "3 h 20 min"),
        (172_800, "2 days"),
    ],
)
def test_time_is_said_roughly(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (999, "999 B"), (453_000, "453 kB"), (2_100_000_000, "2 GB"), (5e12, "5.0 TB")],
)
def test_bytes_are_said_roughly(count: int, said: str) -> None:
    assert size(int(count)) == said


def test_estimate_says_what_is_not_known() -> None:
    assert lines() == [
        "jina-api (whole_late), 1,024 dimensions, acme:",
        "  articles  1,200; 3 articles exceed the window of 8,192",
        "  tokens    1,000,000",
        "  time      not known",
        "  vectors   about 40,000, 109 MB on disk",
    ]


def test_estimate_says_money_index_and_warnings() -> None:
    told = lines(
        paid=True,
        paid_tokens=1_100_000,
        cost=2.2,
        currency="EUR",
        index_bytes=99_000_000,
        seconds=200.0,
        seconds_from="measured",
        warnings=("Beware.", "Really."),
    )
    assert told[3:5] == [
        "  time      about 3 min, with one worker (measured)",
        "  vectors   about 40,000, 109 MB on disk, and 99 MB of HNSW index",
    ]
    assert told[5] == "  money     about 2.20 EUR for about 1,100,000 paid tokens"
    assert told[6:] == ["Warning: Beware.", "Warning: Really."]
    assert lines(paid=True, paid_tokens=5)[5] == "  money     about 5 paid tokens, price not known"


def test_pace_is_said_as_far_as_it_is_known() -> None:
    assert pace_text(VersionProgress(state="building")) == ""
    known = VersionProgress(
        state="building",
        tokens_per_second=2_016.0,
        eta_seconds=17.0,
        paid=True,
        cost=1.0,
        expected_cost=4.0,
        currency="EUR",
    )
    assert pace_text(known) == "2,016 tokens/s, about 17 s left, 1.00 of about 4.00 EUR"


def test_bar_is_drawn_in_a_terminal_with_its_reasons_above(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    version, told = IndexVersion(number=2, state="building"), list[str]()
    with version_bar(told.append) as look:
        look(version, VersionProgress(state="building", total=10, done=3, tokens_per_second=50.0))
        waiting = VersionProgress(
            state="building", total=10, done=4, waits_for="[None] here.", waiting_kind="no_worker"
        )
        look(version, waiting)
        look(version, waiting)
    drawn = capsys.readouterr().err
    assert " 4/10" in drawn
    assert drawn.count("[None] here.") == 1
    assert told == []


def test_reasons_are_lines_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    version, told = IndexVersion(number=2, state="building"), list[str]()
    with version_bar(told.append) as look:
        for kind, text in (
            ("night", "Later."),
            ("night", "Still later."),
            ("", ""),
            ("night", "!"),
        ):
            look(version, VersionProgress(state="building", waits_for=text, waiting_kind=kind))
    assert told == ["Version 2, building: Later.", "Version 2, building: !"]
    assert capsys.readouterr().err == ""
