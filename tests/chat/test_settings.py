"""Profiles: shipped, a workspace's own, and bad ones."""

from __future__ import annotations

from typing import Any

import pytest

from chat.models import RetrievalProfile
from chat.retrieval.settings import PipelineSettings, load_profile, parse_settings
from kb.errors import InvalidInput, NotFound
from kb.models import Workspace
from tests.factories import make_workspace


def test_default_is_shipped(workspace: Workspace) -> None:
    assert load_profile(workspace) == PipelineSettings()
    assert load_profile(workspace, "default") == PipelineSettings(name="default")


def test_own_profile_shadows_the_shipped_one(workspace: Workspace) -> None:
    RetrievalProfile.objects.create(workspace=workspace, name="default", settings={"articles": 3})
    assert load_profile(workspace, "default").articles == 3
    assert load_profile(make_workspace(), "default").articles == PipelineSettings().articles


def test_default_row_answers_when_no_name_is_given(workspace: Workspace) -> None:
    RetrievalProfile.objects.create(
        workspace=workspace, name="strict", settings={"abstain_below": 0.9}, is_default=True
    )
    loaded = load_profile(workspace)
    assert (loaded.name, loaded.abstain_below) == ("strict", 0.9)


def test_profile_of_another_workspace_does_not_exist(workspace: Workspace) -> None:
    RetrievalProfile.objects.create(workspace=make_workspace(), name="theirs")
    with pytest.raises(NotFound, match="theirs"):
        load_profile(workspace, "theirs")


@pytest.mark.parametrize(
    "values",
    [
        {"passage_wieght": 1},
        {"articles": 0},
        {"articles": 1.5},
        {"articles": True},
        {"articles": "ten"},
        {"context_tokens": 10**9},
        {"abstain_below": 1.01},
        {"passage_weight": float("nan")},
        {"passage_weight": -1},
        {"passage_weight": None},
        dict.fromkeys(
            ["passage_weight", "passage_words_weight", "article_weight", "article_words_weight"], 0
        ),
        ["not", "an", "object"],
        None,
    ],
)
def test_bad_settings_are_refused(values: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_settings("mine", values)
    assert refused.value.field == "settings"


def test_stored_settings_are_checked_when_loaded(workspace: Workspace) -> None:
    RetrievalProfile.objects.create(workspace=workspace, name="old", settings={"gone": 1})
    with pytest.raises(InvalidInput, match="gone"):
        load_profile(workspace, "old")


def test_settings_survive_json() -> None:
    settings = parse_settings("mine", {"articles": 4, "passage_weight": 2})
    values = settings.as_json()
    assert parse_settings(values.pop("name"), values) == settings
