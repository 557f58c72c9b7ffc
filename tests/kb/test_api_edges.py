"""What a customer's code may send by accident, or an attacker on purpose."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from kb.models import ApiKey, Article, Workspace
from tests.factories import add_revision, make_article
from tests.kb.conftest import ClientFor

ARTICLES = "/api/v1/articles/"
TEXT = {"title": "Refunds", "body": "Refunds take five days."}


@pytest.mark.parametrize(
    "path",
    [
        "0/",
        "999999999999999999/",
        "9" * 5000 + "/",
        "-1/",
        "x/",
        "1%00/",
        "1/revisions/" + "9" * 5000 + "/",
        "?page=0",
        "?page=" + "9" * 40,
    ],
)
def test_numbers_that_nothing_has_are_404(api: APIClient, path: str) -> None:
    assert api.get(ARTICLES + path).status_code == 404


@pytest.mark.parametrize(
    "query", ["external_id=%00", "q=%00", "tag=%00", "updated_after=yesterday", "language=xx"]
)
def test_filters_that_mean_nothing_are_400(api: APIClient, query: str) -> None:
    assert api.get(f"{ARTICLES}?{query}").status_code == 400


@pytest.mark.parametrize("query", ["q='", "q=%22", "q=-", "q=a%26%26!(", "q=" + "x " * 2000])
def test_search_takes_whatever_people_type(api: APIClient, query: str) -> None:
    assert api.get(f"{ARTICLES}?{query}").status_code == 200


def test_page_size_has_a_limit(api: APIClient, workspace: Workspace) -> None:
    for _ in range(3):
        make_article(workspace)
    assert len(api.get(f"{ARTICLES}?page_size=100000").json()["results"]) == 3
    assert len(api.get(f"{ARTICLES}?page_size=-1").json()["results"]) == 3


@pytest.mark.parametrize(
    ("language", "body", "word"),
    [("fr", "Les remboursements.", "remboursement"), ("es", "Las facturas.", "factura")],
)
def test_search_knows_the_articles_language(
    api: APIClient, workspace: Workspace, language: str, body: str, word: str
) -> None:
    make_article(workspace, body=body, language=language)
    assert api.get(f"{ARTICLES}?q={word}").json()["count"] == 1


@pytest.mark.parametrize("body", [[], "text", 7, None, [TEXT]])
def test_bodies_that_are_no_object_are_400(api: APIClient, body: object) -> None:
    assert api.post(ARTICLES, body, format="json").status_code == 400


def test_external_ids_end_where_they_end(api: APIClient) -> None:
    for external_id in ("a", "a/", "a b/ü"):
        response = api.put(f"{ARTICLES}by-external-id/{external_id}/", TEXT)
        assert response.status_code == 201
        assert response.json()["external_id"] == external_id
    assert Article.objects.count() == 3


def test_same_text_again_is_no_change(api: APIClient) -> None:
    url = f"{ARTICLES}by-external-id/x/"
    before = api.put(url, {**TEXT, "tags": ["a"]}).json()
    assert api.put(url, {**TEXT, "tags": ["a"]}).json() == before
    assert api.put(url, {**TEXT, "tags": ["b"]}).json()["updated_at"] > before["updated_at"]


def test_internal_articles_are_written_with_the_internal_scope_only(
    workspace: Workspace, api: APIClient, client_for: ClientFor
) -> None:
    internal = {**TEXT, "audience": "internal"}
    assert api.post(ARTICLES, internal).status_code == 403
    article = make_article(workspace)
    assert api.patch(f"{ARTICLES}{article.pk}/", {"audience": "internal"}).status_code == 403
    insider = client_for(workspace, "articles:write", "internal")
    assert insider.post(ARTICLES, internal).status_code == 201


def test_last_use_of_a_key_is_written_once_a_minute(api: APIClient) -> None:
    api.get(ARTICLES)
    first = ApiKey.objects.get().last_used_at
    assert first is not None
    api.get(ARTICLES)
    assert ApiKey.objects.get().last_used_at == first
    ApiKey.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    api.get(ARTICLES)
    assert ApiKey.objects.filter(last_used_at__gt=first).exists()


def test_publishing_with_an_older_revision(api: APIClient, workspace: Workspace) -> None:
    url = f"{ARTICLES}{make_article(workspace, published=False).pk}/"
    api.patch(url, {"body": "Second."})
    assert api.post(f"{url}publish/", {"revision": 1}).json()["published_revision"] == 1
    assert api.post(f"{url}publish/", {"revision": 3}).status_code == 404
    assert api.post(f"{url}publish/").json()["published_revision"] == 2


def test_history_costs_the_same_at_one_and_ten_revisions(
    api: APIClient, workspace: Workspace, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    article = make_article(workspace)
    url = f"{ARTICLES}{article.pk}/revisions/"
    api.get(url)  # the key's last use is written once a minute
    with django_assert_num_queries(4):
        api.get(url)
    for number in range(9):
        add_revision(article, body=f"Text {number}.")
    with django_assert_num_queries(4):
        assert len(api.get(url).json()["results"]) == 10
