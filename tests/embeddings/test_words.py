"""Passages by their words: BM25 as defined, in scope, fresh, and gone with their vectors."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from embeddings import words as module
from embeddings.filling.loop import embed_pending
from embeddings.models import IndexVersion, PassageVector, PassageWords
from embeddings.scoring import score_passages
from embeddings.words import (
    DIMENSIONS,
    MOST_KEPT,
    WordQuery,
    as_text,
    number,
    passage_weights,
    search_article_words,
    search_words,
    store_words,
    word_query,
)
from kb.models import Workspace
from kb.search import Filters, SearchScope
from kb.services import delete_article, unpublish_article
from kb.terms import QuestionTerms, WeightedText, question_terms
from kb.words import Words
from tests.factories import add_revision, live, make_article, make_workspace

VOCABULARY = [f"word{at}" for at in range(40)]
PHRASES = 0.5
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def terms_of(workspace: Workspace, question: str, *, insider: bool = False) -> QuestionTerms:
    return question_terms(
        [WeightedText(text=question)], workspace_id=workspace.pk, include_internal=insider
    )


def query_of(workspace: Workspace, question: str, *, insider: bool = False) -> WordQuery:
    return word_query(terms_of(workspace, question, insider=insider), phrase_weight=PHRASES)


def scope_of(
    workspace: Workspace, *, insider: bool = False, **filters: tuple[str, ...]
) -> SearchScope:
    return SearchScope(
        workspace_id=workspace.pk,
        include_internal=insider,
        filters=Filters(**filters),  # type: ignore[arg-type]  # only tuples are asked for
    )


def passages(workspace: Workspace, question: str, *, insider: bool = False) -> list[int]:
    """Article ids of the passages found."""
    scope = scope_of(workspace, insider=insider)
    query = query_of(workspace, question, insider=insider)
    return [hit.article_id for hit in search_words(live(workspace), query, scope=scope, limit=50)]


def articles(
    workspace: Workspace,
    question: str,
    *,
    insider: bool = False,
    version: IndexVersion | None = None,
) -> list[int]:
    """Article ids found by their whole text."""
    terms = terms_of(workspace, question, insider=insider)
    hits = search_article_words(
        version or live(workspace),
        terms,
        word_query(terms, phrase_weight=PHRASES),
        scope=scope_of(workspace, insider=insider),
        limit=50,
    )
    return [hit.article_id for hit in hits]


# An independent reference: no database, no hashing, straight from the definition.


def saturated(count: int, relative: float) -> float:
    return count / (count + 1.2 * (0.25 + 0.75 * relative))


def reference_weights(
    question: str, documents: list[str]
) -> tuple[dict[str, float], dict[tuple[str, str], float]]:
    said = question.split()
    held = {word: sum(word in document.split() for document in documents) for word in said}
    idf = {w: math.log(1 + (len(documents) - n + 0.5) / (n + 0.5)) for w, n in held.items()}
    total = sum(idf.values())
    phrases = {pair: (idf[pair[0]] + idf[pair[1]]) / 2 / total for pair in pairwise(said)}
    return {word: weight / total for word, weight in idf.items()}, phrases


def reference_passage(text: str, question: str, documents: list[str]) -> float:
    words, phrases = reference_weights(question, documents)
    body = text.split()
    counts, pairs = Counter(body), Counter(pairwise(body))
    return sum(
        weight * saturated(counts[word], len(body) / 110) for word, weight in words.items()
    ) + PHRASES * sum(weight * saturated(pairs[pair], 1) for pair, weight in phrases.items())


def reference_article(text: str, question: str, documents: list[str]) -> float:
    words, _ = reference_weights(question, documents)
    average = sum(len(set(each.split())) for each in documents) / len(documents)
    counts = Counter(text.split())
    return sum(
        weight * saturated(counts[word], len(counts) / average) for word, weight in words.items()
    )


@pytest.fixture
def library(workspace: Workspace) -> list[str]:
    """Thirty articles of 20 to 200 words that no language stems."""
    random, texts = Random(3), []
    for at in range(30):
        body = " ".join(random.choices(VOCABULARY, k=random.randint(20, 200)))
        make_article(workspace, title=f"title{at}", body=body, language="und")
        texts.append(f"title{at} {body}")
    embed_pending(live(workspace))
    return texts


QUESTIONS = ["word1", "word1 word2 word3", "word39 word0 title3 unknown", "word7 word8 word7"]


@pytest.mark.parametrize("question", QUESTIONS)
def test_scores_of_passages_are_bm25_by_definition(
    workspace: Workspace, library: list[str], question: str
) -> None:
    hits = search_words(
        live(workspace), query_of(workspace, question), scope=scope_of(workspace), limit=1_000
    )
    revisions = {a.published_revision_id: a.published_revision for a in workspace.articles.all()}
    assert len(hits) > 5
    for hit in hits:
        revision = revisions[hit.revision_id]
        assert revision is not None
        text = f"{revision.title} {revision.body[hit.start : hit.end]}"
        assert hit.score == pytest.approx(reference_passage(text, question, library), abs=1e-3)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


@pytest.mark.parametrize("question", QUESTIONS)
def test_scores_of_articles_are_bm25_by_definition(
    workspace: Workspace, library: list[str], question: str
) -> None:
    terms = terms_of(workspace, question)
    query = word_query(terms, phrase_weight=0)
    hits = search_article_words(live(workspace), terms, query, scope=scope_of(workspace), limit=100)
    texts = {
        article.pk: f"{article.published_revision.title} {article.published_revision.body}"
        for article in workspace.articles.select_related("published_revision")
        if article.published_revision
    }
    holding = {pk for pk, text in texts.items() if set(text.split()) & set(question.split())}
    assert {hit.article_id for hit in hits} == holding
    for hit in hits:
        truth = reference_article(texts[hit.article_id], question, library)
        assert hit.score == pytest.approx(truth, abs=1e-3)


@pytest.mark.usefixtures("library")
def test_every_passage_of_chosen_articles_is_scored(workspace: Workspace) -> None:
    version, query = live(workspace), query_of(workspace, "word1 word2")
    found = search_words(version, query, scope=scope_of(workspace), limit=1_000)
    chosen = {hit.revision_id for hit in found[:3]}
    vector = np.full(64, 0.125, dtype=np.float32)
    scored = score_passages(version, vector, query, revisions=chosen, scope=scope_of(workspace))
    rows = PassageVector.objects.filter(index_version_id=version.pk, revision_id__in=chosen)
    assert {(each.revision_id, each.ordinal) for each in scored} == {
        *rows.values_list("revision_id", "ordinal")
    }
    by_place = {(each.revision_id, each.ordinal): each.words for each in scored}
    for hit in found:
        if hit.revision_id in chosen:
            assert by_place[hit.revision_id, hit.ordinal] == pytest.approx(hit.score)


@pytest.mark.usefixtures("library")
def test_limit_and_filters_hold(workspace: Workspace) -> None:
    german = make_article(workspace, body="word1", language="de")
    embed_pending(live(workspace))
    query = query_of(workspace, "word1 word2")
    assert len(search_words(live(workspace), query, scope=scope_of(workspace), limit=7)) == 7
    scope = scope_of(workspace, languages=("de",))
    hits = search_words(live(workspace), query, scope=scope, limit=50)
    assert {hit.article_id for hit in hits} == {german.pk}


def test_tenants_and_audiences_stay_apart(workspace: Workspace) -> None:
    other = make_workspace()
    theirs = make_article(other, body="A zeppelin.")
    internal = make_article(workspace, body="A zeppelin.", audience="internal")
    make_article(workspace, body="Plain.")
    for each in (workspace, other):
        embed_pending(live(each))
    assert passages(workspace, "zeppelin") == articles(workspace, "zeppelin") == []
    for found in (passages, articles):
        assert found(workspace, "zeppelin", insider=True) == [internal.pk]
        assert found(other, "zeppelin", insider=True) == [theirs.pk]


@pytest.mark.parametrize("insider", [True, False])
def test_query_that_knows_too_much_opens_nothing(workspace: Workspace, insider: bool) -> None:
    other = make_workspace()
    make_article(other, body="A zeppelin.")
    make_article(workspace, body="A zeppelin.", audience="internal")
    for each in (workspace, other):
        embed_pending(live(each))
    terms = terms_of(other, "zeppelin", insider=True)
    query = word_query(terms, phrase_weight=PHRASES)
    ours, theirs = scope_of(workspace, insider=insider), scope_of(other, insider=insider)
    for version, scope in ((live(other), ours), (live(workspace), theirs)):
        assert search_words(version, query, scope=scope, limit=10) == []
        vector = np.full(64, 0.125, dtype=np.float32)
        every = list(range(1, 100_000))
        assert score_passages(version, vector, query, revisions=every, scope=scope) == []
    hits = search_article_words(live(workspace), terms, query, scope=ours, limit=10)
    assert len(hits) == insider
    assert len(search_words(live(workspace), query, scope=ours, limit=10)) == insider


def test_what_is_withdrawn_is_out_at_once(workspace: Workspace) -> None:
    gone, deleted = (make_article(workspace, body="A zeppelin.") for _ in range(2))
    make_article(workspace, body="Plain.")
    embed_pending(live(workspace))
    query, terms = query_of(workspace, "zeppelin"), terms_of(workspace, "zeppelin")
    unpublish_article(gone)
    delete_article(deleted)
    scope = scope_of(workspace)
    assert search_words(live(workspace), query, scope=scope, limit=10) == []
    assert search_article_words(live(workspace), terms, query, scope=scope, limit=10) == []


def test_article_is_found_by_its_words_before_it_is_embedded(workspace: Workspace) -> None:
    embedded = make_article(workspace, title="One", body="A refund.")
    embed_pending(live(workspace))
    fresh = make_article(workspace, title="Two", body="A refund for the zeppelin.")
    assert articles(workspace, "refund zeppelin") == [fresh.pk, embedded.pk]
    assert passages(workspace, "refund zeppelin") == [embedded.pk]
    add_revision(embedded, body="A zeppelin.")
    assert set(articles(workspace, "zeppelin")) == {fresh.pk, embedded.pk}
    assert passages(workspace, "refund") == []
    embed_pending(live(workspace))
    assert len(articles(workspace, "zeppelin")) == 2  # each once


def test_question_without_words_asks_nothing(
    workspace: Workspace, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_article(workspace)
    terms, version = terms_of(workspace, "the of ???"), live(workspace)
    query = word_query(terms, phrase_weight=PHRASES)
    with django_assert_num_queries(0):
        assert search_words(version, query, scope=scope_of(workspace), limit=9) == []
        found = search_article_words(version, terms, query, scope=scope_of(workspace), limit=9)
    assert found == []


def test_common_words_find_nothing_by_themselves_but_count(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at in range(4):
        make_article(workspace, title="Common", body="common " + "rare" * (at == 0))
    embed_pending(live(workspace))
    assert len(passages(workspace, "rare common")) == 4
    monkeypatch.setattr(module, "MOST_COMPARED", 2)
    assert len(passages(workspace, "rare common")) == 1
    assert len(passages(workspace, "common")) == 2  # something must find


def test_word_that_most_articles_hold_is_compared_with_so_many_only(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = live(workspace)
    for at in range(9):
        make_article(workspace, body="common" + " rare" * (at == 8))
    embed_pending(version)
    everything = passages(workspace, "common")
    assert len(everything) == len(articles(workspace, "common")) == 9
    for most, found in ((9, 9), (8, 8), (3, 3)):
        monkeypatch.setattr(module, "MOST_COMPARED", most)
        assert len(passages(workspace, "common")) == found
        assert len(articles(workspace, "common")) == found
    assert len(passages(workspace, "common rare")) == 1
    assert passages(workspace, "unknown") == []


@pytest.mark.parametrize("tiny", [1e-300, 1e-45, 1e-38, 5e-324, 0.0])
def test_weights_next_to_nothing_are_no_trouble(workspace: Workspace, tiny: float) -> None:
    article = make_article(workspace, body="A refund to the card.")
    embed_pending(live(workspace))
    terms = question_terms(
        [WeightedText(text="card"), WeightedText(text="refund", weight=tiny)],
        workspace_id=workspace.pk,
        include_internal=False,
    )
    query = word_query(terms, phrase_weight=tiny)
    [hit] = search_words(live(workspace), query, scope=scope_of(workspace), limit=10)
    assert hit.article_id == article.pk


def test_question_of_more_words_than_a_vector_holds_is_asked_by_the_weightiest(
    workspace: Workspace,
) -> None:
    for language in ("en", "de", "fr", "und"):
        make_article(workspace, body="A zeppelin.", language=language)
    embed_pending(live(workspace))
    question = "zeppelin " + " ".join(f"w{at}" for at in range(6_000))
    assert len(query_of(workspace, question).weights) == MOST_KEPT
    assert len(passages(workspace, question)) == 4


def test_passage_of_more_words_than_a_vector_holds_is_stored(workspace: Workspace) -> None:
    version = live(workspace)
    body = "zeppelin " + " ".join(f"w{at}" for at in range(20_000))
    article = make_article(workspace, body=body, language="und")
    embed_pending(version)
    # One passage that holds all of it, as encoders with a large window make.
    PassageVector.objects.filter(index_version_id=version.pk, ordinal__gt=0).delete()
    PassageVector.objects.filter(index_version_id=version.pk).update(end=len(body))
    PassageWords.objects.filter(index_version_id=version.pk).delete()
    store_words(version, [article.published_revision_id or 0])
    assert passages(workspace, "zeppelin w3") == articles(workspace, "zeppelin w3") == [article.pk]
    assert passages(workspace, "w19999") == [article.pk]  # its words are kept for finding


def test_words_come_before_phrases_where_there_are_too_many() -> None:
    words = Words(language="und", places={f"w{at}": [at + 1] for at in range(10_000)})
    weights = passage_weights(words)
    assert len(weights) == MOST_KEPT
    assert {number("und", f"w{at}") for at in range(10_000)} <= set(weights)


@given(TEXT, TEXT)
def test_numbers_are_dimensions_and_tell_words_from_phrases(one: str, other: str) -> None:
    numbers = [number("en", one), number("de", one), number("en", one, other)]
    assert all(1 <= each <= DIMENSIONS for each in numbers)
    assert len(set(numbers)) == 3
    assert numbers[0] == number("en", one)


def test_weights_are_written_as_the_database_reads_them(db: None) -> None:  # noqa: ARG001
    with connection.cursor() as cursor:
        for weights in ({}, {1: 0.5}, {DIMENSIONS: 1e-9, 7: 0.123456789}):
            cursor.execute("SELECT %s::sparsevec::text", [as_text(weights)])
            [read] = cursor.fetchone()
            assert read.endswith(f"/{DIMENSIONS}")
            assert read.count(":") == len(weights)
