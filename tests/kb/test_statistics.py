"""Word statistics: always what a recount of the published revisions would say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeAlias

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kb.content import ArticleText, clean
from kb.importing import ImportItem, import_articles
from kb.models import Article, Audience, TermCount, Workspace
from kb.services import (
    archive_article,
    delete_article,
    publish_article,
    restore_article,
    revert_article,
    save_article,
    unpublish_article,
)
from kb.services.statistics import FOLD, LOCK, fold_term_counts, forget_term_counts
from tests.factories import make_workspace

# By workspace, audience, language and lexeme: documents and size.
Counts: TypeAlias = dict[tuple[Any, ...], tuple[int, int]]

KEPT = """
    SELECT workspace_id, audience, language, lexeme, sum(documents), sum(size)
    FROM kb_termcount GROUP BY 1, 2, 3, 4 HAVING sum(documents) <> 0 OR sum(size) <> 0
"""
RECOUNTED = """
    SELECT r.workspace_id, r.audience, r.language, t.lexeme, count(*), 0
    FROM kb_article a JOIN kb_revision r ON r.id = a.published_revision_id,
         unnest(tsvector_to_array(r.search)) t(lexeme)
    GROUP BY 1, 2, 3, 4
    UNION ALL
    SELECT r.workspace_id, r.audience, r.language, '', count(*), sum(length(r.search))
    FROM kb_article a JOIN kb_revision r ON r.id = a.published_revision_id
    GROUP BY 1, 2, 3
"""


def counts(statement: str) -> Counts:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return {tuple(row[:4]): (int(row[4]), int(row[5])) for row in cursor.fetchall()}


def assert_exact() -> Counts:
    kept = counts(KEPT)
    assert kept == counts(RECOUNTED)
    return kept


def text(body: str, *, language: str = "en", audience: str = "public") -> ArticleText:
    return clean(title="Title", body=body, language=language, audience=audience)


def published(workspace: Workspace, body: str, **given: str) -> Article:
    return publish_article(save_article(workspace, text=text(body, **given)).article)


def frequency(workspace: Workspace, lexeme: str) -> int:
    return sum(
        documents
        for (of, _, _, word), (documents, _) in assert_exact().items()
        if of == workspace.pk and word == lexeme
    )


def test_drafts_are_not_counted_and_published_ones_are(workspace: Workspace) -> None:
    article = save_article(workspace, text=text("A refund, a refund.")).article
    assert assert_exact() == {}
    publish_article(article)
    publish_article(article)
    key = (workspace.pk, "public", "en")
    assert assert_exact() == {
        (*key, ""): (1, 2), (*key, "refund"): (1, 0), (*key, "titl"): (1, 0),
    }  # fmt: skip


@pytest.mark.parametrize(
    "withdraw",
    [
        unpublish_article,
        delete_article,
        lambda article: archive_article(article, reason="old"),
        lambda article: article.workspace.delete(),
        lambda article: Article.objects.filter(pk=article.pk).delete(),
    ],
)
def test_what_is_withdrawn_counts_no_more(
    workspace: Workspace, withdraw: Callable[[Article], object]
) -> None:
    article = published(workspace, "A refund.")
    withdraw(article)
    assert assert_exact() == {}
    fold_term_counts()
    assert not TermCount.objects.exists()


def test_new_revision_takes_the_place_of_the_old(workspace: Workspace) -> None:
    article = published(workspace, "A refund.")
    save_article(workspace, article=article, text=text("A card."))
    assert (frequency(workspace, "refund"), frequency(workspace, "card")) == (1, 0)
    publish_article(article)
    assert (frequency(workspace, "refund"), frequency(workspace, "card")) == (0, 1)
    first = article.revisions.get(number=1)
    publish_article(article, revision=first)
    assert (frequency(workspace, "refund"), frequency(workspace, "card")) == (1, 0)
    revert_article(article, revision=article.revisions.get(number=2))
    assert frequency(workspace, "refund") == 1


def test_audience_and_language_change_with_a_new_revision(workspace: Workspace) -> None:
    article = published(workspace, "Karten.")
    save_article(
        workspace, article=article, text=text("Karten.", language="de", audience="internal")
    )
    publish_article(article)
    assert {key[1:] for key in assert_exact()} == {
        ("internal", "de", ""), ("internal", "de", "kart"), ("internal", "de", "titl"),
    }  # fmt: skip


def test_archived_article_counts_again_once_it_is_published_again(workspace: Workspace) -> None:
    article = published(workspace, "A refund.")
    archive_article(article, reason="old")
    restore_article(article)
    assert frequency(workspace, "refund") == 0
    publish_article(article)
    assert frequency(workspace, "refund") == 1


def test_import_counts_in_bulk(workspace: Workspace) -> None:
    def items(word: str) -> list[ImportItem]:
        return [
            ImportItem(origin=f"{n}", external_id=f"{n}", title=f"T {n}", body=f"{word} {n}")
            for n in range(250)
        ]

    import_articles(workspace, items("refund"), publish=True)
    assert frequency(workspace, "refund") == 250
    written = TermCount.objects.count()
    import_articles(workspace, items("refund"), publish=True)
    assert TermCount.objects.count() == written
    import_articles(workspace, items("card"), publish=True)
    assert (frequency(workspace, "refund"), frequency(workspace, "card")) == (0, 250)


def test_saving_other_columns_writes_nothing(workspace: Workspace) -> None:
    article = published(workspace, "A refund.")
    written = TermCount.objects.count()
    article.tags = ["money"]
    article.save()
    Article.objects.update(source="wiki")
    assert TermCount.objects.count() == written


def test_rolled_back_is_never_counted(workspace: Workspace) -> None:
    with transaction.atomic():
        published(workspace, "A refund.")
        transaction.set_rollback(True)
    assert assert_exact() == {}


def test_long_words_of_every_script_are_counted(workspace: Workspace) -> None:
    published(workspace, f"{'x' * 2000} {'ж' * 1000} 退款政策 😀 a'b\\c", language="zh")
    assert frequency(workspace, "退款") == 1
    assert frequency(workspace, "x" * 2000) == 1


def test_workspaces_are_counted_apart(workspace: Workspace) -> None:
    other = make_workspace()
    published(workspace, "A refund.")
    published(other, "A refund.")
    other.delete()
    assert frequency(workspace, "refund") == 1
    assert {key[0] for key in assert_exact()} == {workspace.pk}


def test_workspace_that_goes_is_not_counted_down_article_by_article(workspace: Workspace) -> None:
    others = [make_workspace() for _ in range(2)]
    for each in (workspace, *others):
        for number in range(3):
            published(each, f"A refund {number}.")
    fold_term_counts()
    kept = TermCount.objects.filter(workspace_id=others[1].pk).count()
    newest = TermCount.objects.latest("pk").pk
    with transaction.atomic():
        workspace.delete()
        others[0].delete()
        assert TermCount.objects.count() == kept
    assert not TermCount.objects.filter(pk__gt=newest).exists()
    assert frequency(others[1], "refund") == 3


def test_what_is_counted_beside_a_deletion_is_forgotten_by_the_fold(workspace: Workspace) -> None:
    others = [make_workspace() for _ in range(2)]
    gone = [each.pk for each in others]
    for each in (workspace, *others):
        published(each, "A refund.")
    left = list(TermCount.objects.filter(workspace_id__in=gone))
    for each in others:
        each.delete()
    for row in left:
        row.pk, row.folded = None, True
    TermCount.objects.bulk_create(left)
    fold_term_counts()
    assert set(TermCount.objects.values_list("workspace_id", flat=True)) == {workspace.pk}


def test_next_transaction_counts_as_ever(workspace: Workspace) -> None:
    with transaction.atomic():
        forget_term_counts(workspace.pk)
        transaction.set_rollback(True)
    published(workspace, "A refund.")
    assert frequency(workspace, "refund") == 1


def test_folding_changes_no_sum_and_ends_with_one_row_each(workspace: Workspace) -> None:
    articles = [published(workspace, f"A refund {number}.") for number in range(5)]
    unpublish_article(articles[0])
    before = assert_exact()
    assert fold_term_counts() > 0
    assert assert_exact() == before
    assert TermCount.objects.count() == len(before)
    assert not TermCount.objects.filter(folded=False).exists()
    assert fold_term_counts() == 0
    unpublish_article(articles[1])
    fold_term_counts()
    assert TermCount.objects.count() == len(assert_exact()) < len(before)


def test_folding_in_small_batches_is_the_same(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kb.services.statistics.BATCH", 3)
    for number in range(6):
        published(workspace, f"A refund {number}.")
    before = assert_exact()
    fold_term_counts()
    assert assert_exact() == before
    assert TermCount.objects.count() == len(before)


BODIES = st.sampled_from(["A refund.", "Two cards, a refund.", "退款政策", "", "the of"])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["save", "publish", "unpublish", "archive", "restore", "delete", "import", "fold"]
        ),
        st.integers(0, 3),
        BODIES,
        st.sampled_from(["en", "de", "zh"]),
        st.sampled_from(Audience.values),
    ),
    max_size=25,
)


def take_step(
    workspace: Workspace, step: str, which: int, body: str, language: str, audience: str
) -> None:
    article = workspace.articles.filter(external_id=f"{which}").first()
    if step == "import":
        title = f"Title {which}"
        item = ImportItem(
            origin="x", external_id=f"{which}", title=title, body=body or "x", language=language
        )
        import_articles(workspace, [item], publish=True)
    elif step == "save" or article is None:
        given = text(body or "x", language=language, audience=audience)
        save_article(workspace, text=given, external_id=f"{which}")
    elif step == "fold":
        fold_term_counts()
    elif step != "publish" or article.state != "archived":
        STEP[step](article)


STEP: dict[str, Callable[[Article], object]] = {
    "publish": publish_article,
    "unpublish": unpublish_article,
    "archive": lambda article: archive_article(article, reason="old"),
    "restore": lambda article: restore_article(article) if article.state == "archived" else None,
    "delete": delete_article,
}


@given(STEPS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.django_db
def test_any_sequence_of_steps_leaves_the_sums_exact(
    steps: list[tuple[str, int, str, str, str]],
) -> None:
    with transaction.atomic():
        workspace = make_workspace()
        for step in steps:
            take_step(workspace, *step)
        kept = assert_exact()
        fold_term_counts()
        assert assert_exact() == kept
        transaction.set_rollback(True)


def in_a_thread(task: Callable[[], object]) -> None:
    """On a connection of its own."""
    try:
        task()
    finally:
        connection.close()


@contextmanager
def other_connection() -> Iterator[Any]:
    """In a transaction that is committed at the end."""
    other = connection.copy()
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            yield cursor
        other.commit()
    finally:
        other.close()


@pytest.mark.django_db(transaction=True)
def test_writers_and_folders_at_once_lose_nothing() -> None:
    workspaces = [make_workspace() for _ in range(2)]

    def write(number: int) -> None:
        article = published(workspaces[number % 2], f"A refund for card {number}.")
        if number % 3 == 0:
            delete_article(article)
        if number % 3 == 1:
            save_article(article.workspace, article=article, text=text("Nothing."))
            publish_article(article)

    tasks: list[Callable[[], object]] = []
    for number in range(30):
        tasks += [lambda number=number: write(number), fold_term_counts]  # type: ignore[misc]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(in_a_thread, tasks))
    kept = assert_exact()
    fold_term_counts()
    assert assert_exact() == kept
    assert TermCount.objects.count() == len(kept)
    assert sum(frequency(each, "refund") for each in workspaces) == 10


@pytest.mark.django_db(transaction=True)
def test_writer_in_the_middle_of_a_fold_does_not_wait_and_is_counted_later() -> None:
    workspace = make_workspace()
    published(workspace, "A refund.")
    with other_connection() as folding:
        folding.execute(LOCK)
        folding.execute(FOLD, {"limit": 100})
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")
        published(workspace, "Another refund.")
        assert frequency(workspace, "refund") == 2
        assert fold_term_counts() == 0  # that one has it
    assert frequency(workspace, "refund") == 2
    fold_term_counts()
    assert frequency(workspace, "refund") == 2
    with connection.cursor() as cursor:
        cursor.execute("RESET lock_timeout")


@pytest.mark.django_db(transaction=True)
def test_fold_in_the_middle_of_a_write_neither_waits_nor_loses_it() -> None:
    workspace = make_workspace()
    published(workspace, "A refund.")
    article = save_article(workspace, text=text("Another refund.")).article
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        publish_article(article)
        pool.submit(in_a_thread, fold_term_counts).result(timeout=20)
    assert frequency(workspace, "refund") == 2
    fold_term_counts()
    assert frequency(workspace, "refund") == 2
