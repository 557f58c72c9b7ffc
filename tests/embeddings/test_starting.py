"""Starting a re-embedding: a row for each article, and nothing skipped for having the same text."""

from __future__ import annotations

import json
import shutil
from datetime import time
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings
from safetensors.torch import load_file, save_file

from embeddings.encoders.registry import forget_encoders
from embeddings.errors import CheckpointInvalid, SameIndex, UnknownEncoder
from embeddings.filling.loop import embed_pending
from embeddings.models import EntryState, IndexEntry, IndexVersion, VersionState
from embeddings.services.entries import ensure_entries
from embeddings.services.starting import Pace, start_version, with_strategy
from kb.errors import InvalidInput
from kb.models import Workspace
from tests.checkpoints.jina_v3 import write_jina_v3
from tests.checkpoints.sentence_layout import PROMPTS, write_sentence_layout
from tests.conftest import HASH_ENCODERS
from tests.embeddings.versions import ANNA, fresh, last_event, put_in, revisions_in, start
from tests.factories import live, make_article, make_workspace
from tests.families import entry


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny jina-v3."""
    return write_jina_v3(tmp_path_factory.mktemp("jina-v3"))


@pytest.fixture
def v3(db: None, folder: Path, settings: Settings, tmp_path: Path) -> Path:  # noqa: ARG001 - needs the database
    """A copy of it, which is configured as the default encoder; others may be made of it."""
    copy = tmp_path / "v3"
    shutil.copytree(folder, copy)
    configure(settings, copy)
    settings.DEFAULT_ENCODER = "v3"
    return copy


def configure(settings: Settings, checkpoint: Path, **options: Any) -> None:
    """The encoder `v3` of this checkpoint and these options, from now on."""
    forget_encoders()
    settings.ENCODERS = {
        **HASH_ENCODERS,
        "v3": entry("jina-v3", checkpoint=str(checkpoint), **options),
    }


def test_every_published_article_gets_its_row_and_a_worker_is_told(
    workspace: Workspace,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    published = [make_article(workspace) for _ in range(3)]
    make_article(workspace, published=False)
    make_article(make_workspace())
    nudged: list[tuple[int, bool]] = []
    monkeypatch.setattr(
        "embeddings.services.starting.nudge_version",
        lambda pk, *, bulk, **_: nudged.append((pk, bulk)),
    )
    with django_capture_on_commit_callbacks(execute=True):
        version = start_version(
            workspace,
            encoder="hash-wide",
            actor=ANNA,
            reason="More languages.",
            pace=Pace(tokens_per_second=500, night_from=time(22), night_until=time(6)),
            cut_over=True,
            estimate={"articles": 3},
        )
        assert nudged == []
    assert nudged == [(version.pk, True)]
    entries = IndexEntry.objects.filter(index_version=version)
    assert sorted(entries.values_list("revision", flat=True)) == sorted(
        article.published_revision_id or 0 for article in published
    )
    assert set(entries.values_list("state", "bulk")) == {(EntryState.PENDING, True)}
    version = fresh(version)
    assert (version.number, version.state, version.dimension) == (2, VersionState.BUILDING, 128)
    assert (version.tokens_per_second, version.night_from, version.night_until) == (
        500, time(22), time(6),
    )  # fmt: skip
    assert (version.cut_over_when_ready, version.estimate) == (True, {"articles": 3})
    event = last_event(version)
    assert (event.move, event.from_state, event.actor, event.reason) == (
        "start", "", "anna", "More languages.",
    )  # fmt: skip
    assert live(workspace).number == 1


@pytest.mark.parametrize(
    "state",
    [state for state in VersionState if state not in {"cancelled", "retired", "live"}],
)
def test_same_fingerprint_is_refused_while_the_other_is_kept(
    workspace: Workspace, state: VersionState
) -> None:
    existing = put_in(start(workspace), state)
    with pytest.raises(SameIndex, match=rf"Version 2 .*\({state.label}\).*would give the same"):
        start(workspace)
    assert workspace.index_versions.count() == 2
    put_in(existing, VersionState.RETIRED)
    assert start(workspace).number == 3


def test_the_live_one_is_not_built_again(workspace: Workspace) -> None:
    with pytest.raises(SameIndex, match=r"Version 1 .*\(Live\)"):
        start(workspace, "hash")


def test_a_workspace_without_any_version_gets_its_live_one_to_be_judged_beside(db: None) -> None:  # noqa: ARG001 - needs the database
    fresh_one = Workspace.objects.create(slug="fresh", name="Fresh")
    version = start(fresh_one)
    assert (version.number, version.state) == (2, VersionState.BUILDING)
    assert (live(fresh_one).number, live(fresh_one).encoder) == (1, "hash")


@pytest.mark.django_db(transaction=True)
def test_listing_the_work_takes_no_longer_for_each_article_that_there_is_more() -> None:
    """Before the statistics know anything of the entries, as after an import."""
    workspace = make_workspace()
    make_article(workspace)
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE embeddings_indexentry")
        cursor.execute("ANALYZE embeddings_indexentry")
        ensure_entries(live(workspace), bulk=True)
        with CaptureQueriesContext(connection) as captured:
            ensure_entries(live(workspace), bulk=True)
        cursor.execute(f"EXPLAIN {captured[-1]['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "SetOp Except" in plan
    assert "Anti Join" not in plan


def test_another_workspaces_index_is_no_hindrance(workspace: Workspace) -> None:
    start(make_workspace())
    assert start(workspace).number == 2


def test_unknown_encoder_or_strategy_starts_nothing(workspace: Workspace) -> None:
    with pytest.raises(UnknownEncoder, match="No encoder is called 'nope'"):
        start(workspace, "nope")
    with pytest.raises(UnknownEncoder, match="Strategy 'odd' is not known"):
        start_version(workspace, encoder="hash-wide", strategy="odd", actor=ANNA)
    assert workspace.index_versions.count() == 1


@pytest.mark.parametrize(
    ("pace", "field"),
    [
        (Pace(tokens_per_second=0), "tokens_per_second"),
        (Pace(tokens_per_second=-5), "tokens_per_second"),
        (Pace(night_from=time(22)), "night_from"),
        (Pace(night_until=time(22)), "night_from"),
        (Pace(night_from=time(22), night_until=time(22)), "night_until"),
    ],
)
def test_pace_that_makes_no_sense_starts_nothing(
    workspace: Workspace, pace: Pace, field: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        start(workspace, pace=pace)
    assert refusal.value.field == field
    assert workspace.index_versions.count() == 1


@pytest.mark.parametrize(
    "values", [{"tokens_per_second": 0}, {"night_from": time(1)}, {"shadow_share": 1.5}]
)
def test_the_database_refuses_such_a_pace_too(
    workspace: Workspace, values: dict[str, object]
) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        IndexVersion.objects.filter(pk=live(workspace).pk).update(**values)


def test_strategy_is_part_of_the_alias_unless_it_is_the_encoders_own() -> None:
    assert with_strategy("hash", None) == with_strategy("hash", "windows") == "hash"
    assert with_strategy("hash", "chunks") == "hash@chunks"
    assert with_strategy("hash@chunks", "whole") == "hash@whole"
    assert with_strategy("hash@chunks", "windows") == "hash"
    assert with_strategy("hash@chunks", None) == "hash@chunks"


def other_weights(checkpoint: Path) -> None:
    """As another revision of the model has them: the files are called the same."""
    path = checkpoint / "model.safetensors"
    weights = load_file(path)
    name = next(name for name in weights if name.endswith("word_embeddings.weight"))
    weights[name] = weights[name].flip(0).contiguous()
    save_file(weights, path, metadata={"format": "pt"})


def other_tokenizer(checkpoint: Path) -> None:
    """Capitals are cut otherwise; the weights are the same."""
    path = checkpoint / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["normalizer"] = {"type": "Lowercase"}
    path.write_text(json.dumps(tokenizer))


@pytest.mark.parametrize(
    ("options", "strategy", "change"),
    [
        ({"dimension": 32}, None, None),
        ({"passage_tokens": 50}, None, None),
        ({}, "windows", None),
        ({}, "chunks", None),
        ({}, "whole", None),
        ({}, None, other_weights),
        ({}, None, other_tokenizer),
    ],
    ids=[
        "dimension", "option", "windows", "chunks", "whole", "revision", "tokenizer",
    ],
)  # fmt: skip
def test_whatever_changes_a_vector_makes_a_new_version_of_all_articles(
    v3: Path, settings: Settings, options: dict[str, Any], strategy: str | None, change: Any
) -> None:
    workspace = make_workspace()
    bodies = [f"Refund number {number} is paid within five days. " * 40 for number in range(3)]
    articles = [make_article(workspace, body=body) for body in bodies]
    first = live(workspace)
    assert embed_pending(first).embedded == 3
    if change:
        change(v3)
    configure(settings, v3, **options)
    second = start_version(workspace, encoder="v3", strategy=strategy, actor=ANNA)
    assert second.fingerprint != first.fingerprint
    assert embed_pending(second).embedded == 3
    assert revisions_in(second) == sorted(each.published_revision_id or 0 for each in articles)
    assert vectors(second) != vectors(first)


def vectors(version: IndexVersion) -> list[tuple[Any, ...]]:
    """As they are stored."""
    with connection.cursor() as cursor:
        cursor.execute(
            'SELECT revision_id, ordinal, start, "end", embedding::text'
            " FROM embeddings_passagevector WHERE index_version_id = %s ORDER BY 1, 2",
            [version.pk],
        )
        return list(cursor.fetchall())


@pytest.mark.django_db
@pytest.mark.parametrize("prompt", ["query_prompt", "passage_prompt"])
def test_a_prompt_makes_a_new_version_too(settings: Settings, tmp_path: Path, prompt: str) -> None:
    short = write_sentence_layout(tmp_path / "short", prompts=PROMPTS)
    plain = entry("short", checkpoint=str(short))
    other = entry("short", checkpoint=str(short), **{prompt: "Look for this: "})
    settings.ENCODERS, settings.DEFAULT_ENCODER = {"short": plain, "other": other}, "short"
    workspace = make_workspace()
    make_article(workspace, body="How do I get my money back?")
    assert embed_pending(live(workspace)).embedded == 1
    second = start(workspace, "other")
    assert second.fingerprint != live(workspace).fingerprint
    assert embed_pending(second).embedded == 1
    changed = vectors(second) != vectors(live(workspace))
    assert changed == (prompt == "passage_prompt")


def test_nothing_is_made_of_a_broken_checkpoint(workspace: Workspace, v3: Path) -> None:
    (v3 / "tokenizer.json").unlink()
    forget_encoders()
    with pytest.raises(CheckpointInvalid):
        start(workspace, "v3")
    assert workspace.index_versions.count() == 1
