"""What a re-embedding would take: counted and measured on the articles themselves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from pytest_django import Settings

from config.encoders import encoder_presets, read_encoders
from embeddings.encoders.base import Document, EmbeddedDocument
from embeddings.encoders.hash import HashEncoder
from embeddings.encoders.registry import get_encoder
from embeddings.errors import EncoderUnavailable, TextNotEmbeddable, UnknownEncoder
from embeddings.estimates import probing
from embeddings.estimates.estimating import Estimate, estimate
from embeddings.estimates.prices import is_paid, price_of
from embeddings.filling.loop import embed_pending
from embeddings.models import IndexVersion, PassageVector
from embeddings.partitions import PARENTS, partition_name
from embeddings.services.starting import start_version
from kb.models import Workspace
from tests.conftest import HASH_ENCODERS
from tests.embeddings.versions import ANNA, start
from tests.factories import live, make_article

HASH = "embeddings.encoders.hash.HashEncoder"
JINA_API = "embeddings.encoders.api.jina_api.JinaApiEncoder"
REMOTE = "embeddings.encoders.api.remote.RemoteEncoder"


class TryingEncoder(HashEncoder):
    """Keeps what it was asked to embed; away, or unable, on demand."""

    away = False
    asked: list[int]

    def __init__(self, *, strategy: str, dimension: int = 64) -> None:
        super().__init__(name="trying", strategy=strategy, dimension=dimension)
        self.asked = []

    def encode_documents(self, documents: Sequence[Document]) -> list[EmbeddedDocument]:
        """The hash encoder's."""
        self.asked.append(sum(len(document.body) for document in documents))
        if self.away:
            raise EncoderUnavailable("The server is having a rest.")
        if any("unreadable" in document.body for document in documents):
            raise TextNotEmbeddable("No text in here.")
        return super().encode_documents(documents)


@pytest.fixture
def trying(settings: Settings) -> TryingEncoder:
    """Configured as `trying`."""
    backend = "tests.embeddings.test_estimating.TryingEncoder"
    settings.ENCODERS = {
        **HASH_ENCODERS,
        "trying": {"BACKEND": backend, "STRATEGY": "windows"},
    }
    encoder = get_encoder("trying")
    assert isinstance(encoder, TryingEncoder)
    return encoder


def configure(settings: Settings, **entry: object) -> None:
    """An encoder called `candidate`: the hash encoder, unless said otherwise."""
    base = {"BACKEND": HASH, "OPTIONS": {"name": "candidate"}, "STRATEGY": "windows"}
    settings.ENCODERS = {**HASH_ENCODERS, "candidate": base | entry}


def warned(found: Estimate, text: str) -> bool:
    """Whether one of the warnings says so."""
    return any(text in warning for warning in found.warnings)


def test_figures_are_those_of_the_articles(workspace: Workspace) -> None:
    for number in range(10):
        make_article(workspace, title="Two words", body="word " * (100 + number))
    make_article(workspace, body="word " * 9_000)
    make_article(workspace, published=False)
    found = estimate(workspace, encoder="hash-wide")
    assert (found.articles, found.counted) == (11, 11)
    assert found.tokens == 10 * 100 + 45 + 9_000
    assert (found.over_window, found.window) == (1, 8192)
    assert (found.dimension, found.strategy, found.same_as) == (128, "windows", None)
    assert not warned(found, "extrapolated")


def test_vectors_are_those_that_are_made_then(workspace: Workspace) -> None:
    for _ in range(30):
        make_article(workspace, body="word " * 160)
    found = estimate(workspace, encoder="hash-wide")
    version = start(workspace)
    embed_pending(version)
    passages = PassageVector.objects.filter(index_version_id=version.pk).count()
    assert found.vectors == 30 + passages == 30 + 30 * 4
    assert found.index_bytes == 0


@pytest.mark.parametrize("strategy", ["windows", "chunks", "whole", "whole_late"])
def test_vectors_of_every_strategy_are_foreseen(workspace: Workspace, strategy: str) -> None:
    sentence = "Instalments are charged to the saved card every month, until all is paid. "
    for number in range(12):
        make_article(workspace, title=f"Part {number}", body=sentence * (5 + 9 * number))
    found = estimate(workspace, encoder="minilm", strategy=strategy)
    version = start_version(workspace, encoder="minilm", strategy=strategy, actor=ANNA)
    embed_pending(version)
    passages = PassageVector.objects.filter(index_version_id=version.pk).count()
    assert found.vectors == pytest.approx(12 + passages, rel=0.1)


@pytest.mark.parametrize("dimension", [64, 384, 1024])
def test_disk_is_what_postgresql_takes(
    workspace: Workspace, settings: Settings, dimension: int
) -> None:
    configure(settings, OPTIONS={"dimension": dimension, "name": f"d{dimension}"})
    for _ in range(40):
        make_article(workspace, body="word " * 1_000)
    found = estimate(workspace, encoder="candidate")
    version = start(workspace, "candidate")
    embed_pending(version)
    names = [partition_name(parent, version.pk) for parent in PARENTS]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(pg_relation_size(name::regclass) + pg_indexes_size(name::regclass))"
            " FROM unnest(%s::text[]) AS name",
            [names],
        )
        (taken,) = cursor.fetchone()
    assert found.table_bytes == pytest.approx(int(taken), rel=0.25)


def test_graph_is_counted_where_there_will_be_one(workspace: Workspace, settings: Settings) -> None:
    settings.EXACT_SEARCH_VECTORS = 40
    for _ in range(20):
        make_article(workspace, body="word " * 100)
    found = estimate(workspace, encoder="hash-wide")
    assert found.index_bytes == 40 * (2 * 128 + 430)
    configure(settings, OPTIONS={"dimension": 4_001})
    found = estimate(workspace, encoder="candidate")
    assert found.index_bytes == 0
    assert warned(found, "more than 4,000 dimensions can have no HNSW index")
    assert warned(found, "4,001 dimensions, more than the 64 of the live version")


def test_many_articles_are_sampled_evenly_and_that_is_said(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "COUNT_MOST", 20)
    monkeypatch.setattr(probing, "COUNT_AT_ONCE", 7)
    for number in range(100):  # the later, the longer
        make_article(workspace, title="", body="word " * (number + 1))
    found = estimate(workspace, encoder="hash-wide")
    assert (found.articles, found.counted) == (100, 20)
    assert found.tokens == pytest.approx(5_050, rel=0.1)
    assert warned(found, "Counted on 20 of 100 articles, evenly chosen, and extrapolated.")


def test_counting_ends_when_its_time_is_over(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "COUNT_SECONDS", 0.0)
    monkeypatch.setattr(probing, "COUNT_AT_ONCE", 5)
    for _ in range(20):
        make_article(workspace, body="word " * 10)
    found = estimate(workspace, encoder="hash-wide")
    assert (found.counted, found.tokens) == (5, 200)


def test_time_is_measured_on_real_articles(trying: TryingEncoder, workspace: Workspace) -> None:
    for number in range(300):
        make_article(workspace, body="word " * (50 + number))
    found = estimate(workspace, encoder="trying")
    assert trying.asked[0] <= 2_000  # a first batch that cannot take long
    assert trying.asked[1] > trying.asked[0]
    assert found.tokens_per_second is not None
    assert found.tokens_per_second > 1_000
    assert found.seconds == pytest.approx(found.tokens / found.tokens_per_second, abs=0.2)
    assert found.seconds_from.startswith("measured here: ")
    assert json.loads(json.dumps(found.as_json()))["warnings"] == list(found.warnings)


def test_probe_stops_after_some_seconds(
    trying: TryingEncoder, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "PROBE_SECONDS", 0.0)
    for _ in range(50):
        make_article(workspace, body="word " * 1_000)  # longer than a first batch
    found = estimate(workspace, encoder="trying")
    assert trying.asked == [5_000]
    assert found.seconds is not None


def test_encoder_that_is_away_is_no_reason_not_to_count(
    trying: TryingEncoder, workspace: Workspace
) -> None:
    make_article(workspace, body="one two three")
    trying.away = True
    found = estimate(workspace, encoder="trying")
    assert (found.tokens, found.seconds, found.seconds_from) == (3, None, "not known")
    assert warned(found, "could not be tried: The server is having a rest.")


@pytest.mark.usefixtures("trying")
def test_article_without_text_spoils_no_probe(workspace: Workspace) -> None:
    make_article(workspace, body="unreadable")
    assert estimate(workspace, encoder="trying").seconds is None
    make_article(workspace, body="word " * 1_000)
    assert estimate(workspace, encoder="trying").seconds is not None


def test_workspace_without_articles_takes_nothing(workspace: Workspace) -> None:
    found = estimate(workspace, encoder="hash-wide")
    assert (found.articles, found.tokens, found.vectors, found.over_window) == (0, 0, 0, 0)
    assert found.table_bytes == 0


def test_minilm_counts_with_its_own_tokenizer(workspace: Workspace) -> None:
    body = "Instalments are charged to the saved card. " * 40
    make_article(workspace, title="Payments", body=body)
    found = estimate(workspace, encoder="minilm", strategy="whole")
    [tokens] = get_encoder("minilm").count_tokens([body])
    assert (found.tokens, found.over_window, found.encoder) == (tokens, 1, "minilm@whole")
    assert warned(found, "1 of 1 articles are longer than the window of 256 tokens")
    assert not warned(estimate(workspace, encoder="minilm"), "longer than the window")


def test_same_fingerprint_and_longer_vectors_are_noticed(
    workspace: Workspace, settings: Settings
) -> None:
    make_article(workspace)
    found = estimate(workspace, encoder="hash")
    assert found.same_as == 1
    assert found.warnings[0].startswith("Version 1 (Live) has this very fingerprint")
    backend = "tests.embeddings.test_estimating.ShortenedEncoder"
    configure(settings, BACKEND=backend, OPTIONS={"dimension": 32})
    embed_pending(live(workspace))
    found = estimate(workspace, encoder="candidate")
    assert (found.derived_from, found.seconds, found.tokens_per_second) == (1, 0.0, None)
    assert found.seconds_from == "derived from version 1, nothing encoded"
    assert found.vectors == 2
    assert warned(found, "32 dimensions, fewer than the 64 of the live version")


class ShortenedEncoder(TryingEncoder):
    """As if its vectors were the beginning of the hash encoder's."""

    full_fingerprint = "hash:hash:64:50"


@pytest.mark.parametrize(
    ("licence", "said"),
    [("CC-BY-NC-4.0 (not for commercial use)", True), ("Apache-2.0", False)],
)
def test_licence_that_forbids_business_is_said(
    workspace: Workspace, settings: Settings, licence: str, said: bool
) -> None:
    configure(settings, LICENCE=licence)
    assert warned(estimate(workspace, encoder="candidate"), f"Licence: {licence}.") is said


def test_languages_that_the_model_does_not_know_are_counted(
    workspace: Workspace, settings: Settings
) -> None:
    for language in ("en", "de", "de", "fr", "und"):
        make_article(workspace, language=language)
    configure(settings, LANGUAGES=("en",))
    found = estimate(workspace, encoder="candidate")
    assert warned(found, "trained for en only")
    assert warned(found, "in other languages: 2 in German, 1 in French.")
    configure(settings, LANGUAGES=("en", "de", "fr"))
    assert not warned(estimate(workspace, encoder="candidate"), "other languages")
    assert not warned(estimate(workspace, encoder="hash-wide"), "other languages")


# --- what is paid for ---------------------------------------------------------------------


@pytest.fixture
def paid(settings: Settings) -> dict[str, object]:
    """Jina's API, at 2 EUR for a million tokens; nothing listens there."""
    entry: dict[str, object] = {
        "BACKEND": JINA_API,
        "OPTIONS": {
            "model": "jina-embeddings-v3",
            "url": "http://127.0.0.1:1",
            "api_key": "k",
            "plan": "tier1",
        },
        "STRATEGY": "whole_late",
        "PRICE_PER_MILLION": 2.0,
        "CURRENCY": "EUR",
    }
    configure(settings, **entry)
    return entry


@pytest.mark.usefixtures("paid")
def test_paid_service_is_asked_for_nothing(workspace: Workspace) -> None:
    for _ in range(10):
        make_article(workspace, title="abc", body="abc " * 1_000)  # a token a word, estimated
    found = estimate(workspace, encoder="candidate")
    assert (found.tokens, found.paid_tokens) == (10_000, 10_010)
    assert (found.paid, found.cost, found.currency) == (True, 0.02, "EUR")
    assert found.seconds == pytest.approx(10_010 / (10_000_000 / 60), abs=0.1)
    assert "at the limit of the plan 'tier1', 10,000,000 tokens a minute" in found.seconds_from
    assert warned(found, "Tokens are estimated")
    tried = estimate(workspace, encoder="candidate", try_paid=True)
    assert warned(tried, "could not be tried")


def test_windows_are_paid_for_with_their_overlaps_and_titles(
    workspace: Workspace, settings: Settings, paid: dict[str, object]
) -> None:
    configure(settings, **(paid | {"STRATEGY": "windows"}))
    make_article(workspace, title="abc", body="abc " * 360)
    found = estimate(workspace, encoder="candidate")
    assert found.vectors == 1 + 2  # 200 tokens, and 160 with 40 of those before them
    assert found.paid_tokens == 360 + 40 + 2


def test_price_that_nobody_gave_is_not_made_up(
    workspace: Workspace, settings: Settings, paid: dict[str, object]
) -> None:
    configure(settings, **(paid | {"PRICE_PER_MILLION": None}))
    make_article(workspace)
    found = estimate(workspace, encoder="candidate")
    assert (found.paid, found.cost, found.currency) == (True, None, "")
    assert warned(found, "no price is configured")


@pytest.mark.parametrize(
    ("entry", "paid"),
    [
        ({"BACKEND": HASH}, False),
        ({"BACKEND": HASH, "PRICE_PER_MILLION": 0.1}, True),
        ({"BACKEND": JINA_API}, True),
        ({"BACKEND": JINA_API, "PRICE_PER_MILLION": 0}, False),
        ({"BACKEND": REMOTE, "OPTIONS": {"server": "tei"}}, False),
        ({"BACKEND": REMOTE, "OPTIONS": {}}, True),
    ],
)
def test_what_is_paid_for(settings: Settings, entry: dict[str, object], paid: bool) -> None:
    settings.ENCODERS = {"candidate": entry | {"STRATEGY": "windows"}}
    assert is_paid("candidate") is paid
    with pytest.raises(UnknownEncoder):
        is_paid("nope")


def test_price_comes_from_the_file_of_encoders(tmp_path: Path, settings: Settings) -> None:
    file = tmp_path / "encoders.toml"
    file.write_text(
        '[mine]\nfamily = "jina-api"\nmodel = "jina-embeddings-v3"\n'
        'price_per_million = 0.05\ncurrency = "USD"\n'
    )
    settings.ENCODERS = {**encoder_presets(), **read_encoders(file)}
    price = price_of("mine")
    assert price is not None
    assert (price.of(1_000_000), price.of(20_000_000), price.currency) == (0.05, 1.0, "USD")
    assert price_of("minilm") is None
    assert price_of("jina-api") is None


@pytest.mark.parametrize(
    "line", ["price_per_million = 0.05", 'price_per_million = "much"', "price_per_million = -1"]
)
def test_price_without_currency_or_sense_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "encoders.toml"
    file.write_text(f'[mine]\nfamily = "jina-api"\nmodel = "jina-embeddings-v3"\n{line}\n')
    with pytest.raises(ImproperlyConfigured, match=r"\[mine\] price_per_million must be a number"):
        read_encoders(file)


def test_estimate_is_kept_with_the_version(workspace: Workspace) -> None:
    make_article(workspace)
    found = estimate(workspace, encoder="hash-wide")
    version = start_version(
        workspace, encoder="hash-wide", actor=ANNA, estimate=found.as_json(), shadow_share=0.2
    )
    stored = IndexVersion.objects.get(pk=version.pk)
    assert stored.estimate == found.as_json()
    assert stored.shadow_share == 0.2
