"""Imports as a whole: all or nothing, twice is once, nothing made public or revived."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from kb.content import clean
from kb.errors import ImportRefused, TooLarge
from kb.importing import (
    Ignored,
    ImportItem,
    ImportProgress,
    Problem,
    checking,
    import_articles,
    storing,
)
from kb.models import Article, ArticleState, Collection, Revision, Workspace
from kb.services import archive_article, publish_article, save_article
from kb.signals import articles_changed
from tests.factories import make_workspace


def item(number: int | str = 1, **changes: Any) -> ImportItem:
    """An article from a file."""
    given = {"origin": f"line {number}", "external_id": f"id-{number}", "title": f"Title {number}"}
    return ImportItem(**({"body": f"Text {number}."} | given | changes))


@pytest.fixture
def announced() -> Iterator[list[dict[str, Any]]]:
    """What the index was told."""
    heard: list[dict[str, Any]] = []

    def listen(sender: object, **news: Any) -> None:  # noqa: ARG001 - a receiver
        heard.append(news)

    articles_changed.connect(listen)
    yield heard
    articles_changed.disconnect(listen)


def test_import_stores_all_that_an_item_says(workspace: Workspace) -> None:
    ann = User.objects.create_user("ann")
    full = item(
        language="de", audience="internal", collection="Für Köche", tags=("a", "a", " b "),
        source="wiki",
    )  # fmt: skip
    report = import_articles(workspace, [full], author=ann)
    article = Article.objects.get()
    revision = article.latest_revision
    assert (report.created, report.published, article.state) == (1, 0, ArticleState.DRAFT)
    assert revision is not None
    assert (revision.number, revision.author, revision.change_note) == (
        1, ann, "Imported from line 1.",
    )  # fmt: skip
    assert (revision.language, revision.audience) == ("de", "internal")
    assert (article.external_id, article.tags, article.source) == ("id-1", ["a", "b"], "wiki")
    assert article.collection is not None
    assert (article.collection.name, article.collection.slug) == ("Für Köche", "fur-koche")


def test_importing_again_changes_nothing(workspace: Workspace) -> None:
    items = [item(number, collection="C", tags=("t",)) for number in range(3)]
    first = import_articles(workspace, items, publish=True)
    before = list(Article.objects.order_by("pk").values())
    again = import_articles(workspace, items, publish=True)
    assert (first.created, first.published) == (3, 3)
    assert (again.created, again.unchanged, again.published) == (0, 3, 0)
    assert list(Article.objects.order_by("pk").values()) == before
    assert Revision.objects.count() == 3
    assert Collection.objects.count() == 1


def test_changed_item_becomes_the_next_revision(workspace: Workspace) -> None:
    import_articles(workspace, [item(1), item(2)], publish=True)
    report = import_articles(workspace, [item(1, body="New."), item(2)])
    assert (report.updated, report.unchanged) == (1, 1)
    article = Article.objects.get(external_id="id-1")
    assert article.latest_revision is not None
    assert article.published_revision is not None
    assert (article.latest_revision.number, article.published_revision.number) == (2, 1)
    assert import_articles(workspace, [item(1, body="New.")], publish=True).published == 1


def test_import_is_the_same_text_as_saving(workspace: Workspace) -> None:
    save_article(workspace, text=clean(title="Title 1", body="Text 1."), external_id="id-1")
    assert import_articles(workspace, [item(1)]).unchanged == 1


def test_what_an_item_leaves_open_stays_as_it_is(workspace: Workspace) -> None:
    told: dict[str, Any] = {
        "language": "fr",
        "audience": "internal",
        "collection": "C",
        "tags": ("t",),
    }
    import_articles(workspace, [item(**told)])
    import_articles(workspace, [item(body="Newer.")])
    article = Article.objects.get()
    assert article.latest_revision is not None
    assert article.latest_revision.audience == "internal"
    assert article.latest_revision.language == "fr"
    assert (article.tags, str(article.collection)) == (["t"], "C")


def test_new_items_get_the_language_of_the_workspace(workspace: Workspace) -> None:
    workspace.default_language = "de"
    workspace.save()
    import_articles(workspace, [item()])
    assert Revision.objects.get().language == "de"


def test_archived_articles_are_updated_but_not_revived(workspace: Workspace) -> None:
    import_articles(workspace, [item()], publish=True)
    archive_article(Article.objects.get(), reason="Wrong.")
    report = import_articles(workspace, [item(body="New.")], publish=True)
    assert (report.updated, report.published, report.left_archived) == (1, 0, 1)
    assert Article.objects.get().state == ArticleState.ARCHIVED


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (item(2, body=" "), "line 2: The body is empty."),
        (item(2, title=""), "line 2: The title is empty."),
        (item(2, body="a\x00b"), "line 2: The body has a character that is not text"),
        (item(2, body="x" * 1_000_001), "line 2: The body has 1,000,001 bytes"),
        (item(2, language="xx"), "line 2: 'xx' is no language"),
        (item(2, audience="all"), "line 2: 'all' is no audience"),
        (item(2, external_id="x" * 201), "line 2: An external id has 1 to 200"),
        (item(2, tags=("x" * 61,)), "line 2: A tag has at most 60"),
        (item(2, source="a\nb"), "line 2: A source has at most 200"),
        (item(2, collection="x" * 201), "line 2: A collection has at most 200"),
        (item(2, external_id="id-1"), "line 2: the external id 'id-1' is also that of line 1"),
        (Problem("line 2", "broken JSON"), "line 2: broken JSON"),
    ],
)
def test_one_faulty_item_refuses_all_unless_bad_ones_are_skipped(
    workspace: Workspace, bad: ImportItem | Problem, complaint: str
) -> None:
    readings = [item(1), bad, item(3)]
    with pytest.raises(ImportRefused) as caught:
        import_articles(workspace, readings)
    (problem,) = caught.value.problems
    assert problem.startswith(complaint)
    assert not Article.objects.exists()
    assert not Collection.objects.exists()
    report = import_articles(workspace, readings, skip_bad=True)
    assert (report.created, report.skipped, report.problems) == (2, 1, [problem])


def test_text_with_more_words_than_can_be_searched_is_refused(workspace: Workspace) -> None:
    body = " ".join(f"{number:06x}" for number in range(140_000))
    with pytest.raises(ImportRefused, match="too many different words"):
        import_articles(workspace, [item(body=body)])
    with pytest.raises(TooLarge, match="too many different words"):
        save_article(workspace, text=clean(title="T", body=body))
    assert not Article.objects.exists()


def test_skipping_everything_is_a_refusal(workspace: Workspace) -> None:
    with pytest.raises(ImportRefused):
        import_articles(workspace, [item(body="")], skip_bad=True)


def test_more_text_than_memory_is_refused(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "MAX_TOTAL_CHARACTERS", 10)
    with pytest.raises(TooLarge, match="split it"):
        import_articles(workspace, [item(1), item(2)])


def test_files_that_are_no_articles_are_named(workspace: Workspace) -> None:
    assert import_articles(workspace, [item(), Ignored("logo.png")]).ignored == ["logo.png"]


def test_index_hears_once_per_batch_of_what_was_published(
    workspace: Workspace,
    announced: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    monkeypatch.setattr(storing, "BATCH", 2)
    seen: list[ImportProgress] = []
    with django_capture_on_commit_callbacks(execute=True):
        import_articles(
            workspace, [item(n) for n in range(5)], publish=True, on_progress=seen.append
        )
    assert [(len(news["article_ids"]), news["bulk"]) for news in announced] == [
        (2, True), (2, True), (1, True),
    ]  # fmt: skip
    assert [(now.done, now.total) for now in seen] == [(2, 5), (4, 5), (5, 5)]


def test_import_that_was_cut_off_can_be_repeated(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "BATCH", 2)
    items = [item(number) for number in range(5)]

    def cut_off(now: ImportProgress) -> None:
        if now.done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_articles(workspace, items, publish=True, on_progress=cut_off)
    assert Article.objects.count() == 4
    assert not Article.objects.filter(latest_revision=None).exists()
    report = import_articles(workspace, items, publish=True)
    assert (report.created, report.unchanged) == (1, 4)


def test_batch_costs_the_same_at_two_and_twenty_articles(
    workspace: Workspace, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for first, count in ((0, 2), (2, 20)):
        items = [item(n, collection="C") for n in range(first, first + count)]
        with django_assert_num_queries(10):
            import_articles(workspace, items, publish=True)


def test_import_stays_in_its_workspace(workspace: Workspace) -> None:
    other = make_workspace()
    import_articles(other, [item(collection="C", body="Theirs.")], publish=True)
    import_articles(workspace, [item(collection="C", body="Ours.")], publish=True)
    bodies = Article.objects.values_list("workspace", "published_revision__body")
    assert set(bodies) == {(other.pk, "Theirs."), (workspace.pk, "Ours.")}
    assert Collection.objects.count() == 2


@pytest.mark.parametrize("name", ["日本語", "x" * 200, "!!!"])
def test_collections_with_names_that_make_no_slug(workspace: Workspace, name: str) -> None:
    import_articles(workspace, [item(1, collection=name), item(2, collection=name)])
    assert Collection.objects.get().name == name


@pytest.mark.django_db(transaction=True)
def test_imports_side_by_side_make_each_article_once() -> None:
    workspace = make_workspace()

    def run(number: int) -> None:
        order = range(20) if number % 2 else reversed(range(20))
        items = [item(n, body=f"By {number}.", collection=f"C{n % 3}") for n in order]
        try:
            import_articles(workspace, items, publish=True)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(4)))
    assert Article.objects.count() == 20
    for article in Article.objects.select_related("latest_revision", "published_revision"):
        assert article.published_revision == article.latest_revision
        assert article.revisions.count() == 4


@pytest.mark.django_db(transaction=True)
def test_import_and_edit_side_by_side_lose_no_revision() -> None:
    workspace = make_workspace()
    article = publish_article(
        save_article(workspace, text=clean(title="T", body="B"), external_id="id-1").article
    )

    def write(number: int) -> None:
        try:
            if number % 2:
                import_articles(workspace, [item(1, body=f"Imported {number}.")])
            else:
                text = clean(title="T", body=f"Edited {number}.")
                save_article(workspace, text=text, article=article)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(8)))
    numbers = list(article.revisions.order_by("number").values_list("number", flat=True))
    assert numbers == list(range(1, 10))
