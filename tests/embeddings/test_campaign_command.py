"""`manage.py campaign`."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from embeddings.campaigning import advance
from embeddings.models import Campaign, IndexVersion
from tests.factories import make_article, make_workspace

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    """What it printed."""
    out = StringIO()
    call_command("campaign", *words, stdout=out)
    return out.getvalue()


def run_json(*words: str) -> dict[str, Any]:
    """The only campaign that it told of."""
    [told] = json.loads(run(*words, "--json"))
    answer: dict[str, Any] = told
    return answer


@pytest.fixture(autouse=True)
def three() -> None:
    """Workspaces a, b, c; a has the most articles."""
    for slug in "abc":
        make_article(make_workspace(slug))
    make_article(make_workspace("d"), title="Not in it")


def start(*more: str) -> dict[str, Any]:
    """Over three of the workspaces."""
    names = [word for slug in "abc" for word in ("--workspace", slug)]
    return run_json("start", "spring", "--encoder", "hash-wide", *names, *more)


def test_start_tells_what_will_happen_and_status_how_far_it_is() -> None:
    told = start("--concurrency", "2", "--order", "slug", "--cut-over", "--night", "22:00-06:00")
    assert (told["name"], told["state"], told["counts"]) == ("spring", "running", {"waiting": 3})
    assert (told["stop_on_failure"], told["cut_over"], told["order"]) == (True, True, "slug")
    advance(Campaign.objects.get())
    told = run_json("status", "spring")
    first, _, last = told["workspaces"]
    assert (first["workspace"], first["state"], first["version"]) == ("a", "building", 2)
    assert (first["done"], first["total"]) == (0, 1)
    assert (last["state"], last["version"], last["total"]) == ("waiting", None, None)
    table = run("status")
    assert "spring: hash-wide, running, 0 of 3 workspaces done" in table
    assert "0 / 1" in table


def test_pause_resume_and_stop() -> None:
    start()
    assert run_json("pause", "spring")["state"] == "paused"
    assert run_json("resume", "spring")["state"] == "running"
    advance(Campaign.objects.get())
    told = run_json("stop", "spring", "--reason", "Enough.", "--cancel")
    assert (told["state"], told["reason"]) == ("stopped", "Enough.")
    assert "Enough." in run("status")
    assert IndexVersion.objects.filter(state="cancelled").count() == 1


def test_all_workspaces() -> None:
    told = run_json("start", "everything", "--encoder", "hash-wide", "--all", "--keep-going")
    assert len(told["workspaces"]) == 4
    assert told["stop_on_failure"] is False


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["status", "autumn"], "No campaign is called 'autumn'; there are: none yet."),
        (["start", "x", "--encoder", "nope", "--all"], "nope"),
        (["start", "x", "--encoder", "hash", "--workspace", "z"], "no workspace is called 'z'"),
        (["start", "x", "--encoder", "hash"], "one of the arguments"),
        (["start", "x", "--encoder", "hash", "--all", "--night", "late"], "no window like"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(words: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        run(*words)
    assert not Campaign.objects.exists()


def test_nothing_under_way_is_said() -> None:
    assert run("status") == "No campaign is under way.\n"
    assert json.loads(run("status", "--json")) == []
