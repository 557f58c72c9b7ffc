"""`/api/v1/articles/`, as a customer's code meets it."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from embeddings.filling.loop import embed_pending
from embeddings.services.entries import ensure_entries
from kb.models import ApiKey, Article, Collection, Workspace
from tests.factories import live, make_article
from tests.kb.conftest import ClientFor

ARTICLES = "/api/v1/articles/"
TEXT = {"title": "Refunds", "body": "Refunds take five days."}


def test_create_publish_and_read(api: APIClient, workspace: Workspace) -> None:
    created = api.post(ARTICLES, {**TEXT, "external_id": "refunds", "tags": ["money"]})
    assert created.status_code == 201
    assert (created.json()["state"], created.json()["revision"]) == ("draft", 1)
    url = f"{ARTICLES}{created.json()['id']}/"
    assert api.post(f"{url}publish/").json()["freshness"]["state"] == "pending"
    embed_pending(live(workspace))
    article = api.get(url).json()
    assert article["freshness"]["state"] == "searchable"
    assert article["token_count"] == 4
    assert article["freshness"]["covered_characters"] == len(TEXT["body"])


def test_upsert_by_external_id_even_with_slashes(api: APIClient) -> None:
    url = f"{ARTICLES}by-external-id/docs/billing/refunds/"
    assert api.put(url, TEXT).status_code == 201
    again = api.put(url, TEXT)
    assert (again.status_code, again.json()["revision"]) == (200, 1)
    changed = api.put(url, {**TEXT, "body": "Six days."})
    assert (changed.status_code, changed.json()["revision"]) == (200, 2)
    assert changed.json()["external_id"] == "docs/billing/refunds"


def test_second_post_with_the_same_external_id_updates(api: APIClient) -> None:
    first = api.post(ARTICLES, {**TEXT, "external_id": "x"})
    second = api.post(ARTICLES, {**TEXT, "external_id": "x", "body": "New."})
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["id"] == first.json()["id"]


def test_partial_update_keeps_what_is_not_given(api: APIClient) -> None:
    url = f"{ARTICLES}{api.post(ARTICLES, {**TEXT, 'language': 'de'}).json()['id']}/"
    updated = api.patch(url, {"body": "Anders."}).json()
    assert (updated["title"], updated["language"], updated["body"]) == ("Refunds", "de", "Anders.")


def test_publish_that_waits_says_whether_it_is_searchable(
    api: APIClient, workspace: Workspace
) -> None:
    url = f"{ARTICLES}{make_article(workspace, published=False).pk}/publish/"
    assert api.post(url, {"wait": 0.1}).status_code == 202
    embed_pending(live(workspace))
    assert api.post(url, {"wait": True}).status_code == 200
    assert api.post(url, {"wait": "soon"}).status_code == 400
    assert api.post(url, {"wait": 3600}).status_code == 400


def test_life_of_an_article_over_http(api: APIClient, workspace: Workspace) -> None:
    url = f"{ARTICLES}{make_article(workspace).pk}/"
    assert api.post(f"{url}unpublish/").json()["state"] == "draft"
    assert api.post(f"{url}archive/", {}).status_code == 400
    assert api.post(f"{url}archive/", {"reason": "Old."}).json()["state"] == "archived"
    assert api.post(f"{url}publish/").status_code == 409
    assert api.post(f"{url}restore/").json()["state"] == "draft"
    api.put(url, {"title": "T", "body": "Second."})
    assert api.post(f"{url}revert/", {"revision": 1}).json()["revision"] == 3
    assert [r["number"] for r in api.get(f"{url}revisions/").json()["results"]] == [3, 2, 1]
    assert api.get(f"{url}revisions/2/").json()["body"] == "Second."
    assert api.get(f"{url}revisions/9/").status_code == 404
    assert api.delete(url).status_code == 204
    assert api.get(url).status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": ""}, "title"),
        ({"body": ""}, "body"),
        ({"body": "a\x00b"}, "body"),
        ({"body": "a\x0bb"}, "body"),
        ({"language": "klingon"}, "language"),
        ({"tags": ["x" * 61]}, "tags"),
        ({"external_id": "\n"}, "external_id"),
    ],
)
def test_bad_input_names_the_field_and_stores_nothing(
    api: APIClient, change: dict[str, Any], field: str
) -> None:
    response = api.post(ARTICLES, TEXT | change)
    problem = response.json()
    assert (response.status_code, problem["status"]) == (400, 400)
    assert response["Content-Type"] == "application/problem+json"
    assert field in problem["errors"]
    assert not Article.objects.exists()


def test_too_large_an_article_is_413_and_broken_json_400(
    api: APIClient, settings: Settings
) -> None:
    settings.KB_MAX_ARTICLE_BYTES = 1000
    assert api.post(ARTICLES, {**TEXT, "body": "x" * 1001}).status_code == 413
    broken = api.post(ARTICLES, b"{broken", content_type="application/json")
    assert (broken.status_code, broken.json()["code"]) == (400, "parse_error")
    latin = api.post(ARTICLES, b'{"title": "\xe4"}', content_type="application/json")
    assert latin.status_code == 400
    assert not Article.objects.exists()


def test_request_over_the_limit_is_413_without_being_parsed(
    api: APIClient, settings: Settings
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    response = api.post(ARTICLES, {**TEXT, "body": "x" * 1000})
    assert (response.status_code, response.json()["code"]) == (413, "too_large")


def test_unknown_collection_is_404(api: APIClient) -> None:
    response = api.post(ARTICLES, {**TEXT, "collection": "nowhere"})
    assert response.status_code == 404
    assert "nowhere" in response.json()["detail"]


def test_list_filters_and_pages(api: APIClient, workspace: Workspace) -> None:
    shelf = Collection.objects.create(workspace=workspace, name="Shelf", slug="shelf")
    german = make_article(workspace, title="Rechnung", body="Die Rechnungen.", language="de")
    Article.objects.filter(pk=german.pk).update(collection=shelf, tags=["money"])
    make_article(workspace, title="Other", published=False)

    def found(query: str) -> list[str]:
        return [article["title"] for article in api.get(f"{ARTICLES}?{query}").json()["results"]]

    narrowing = ["language=de", "collection=shelf", "tag=money", "state=published", "q=rechnung"]
    assert all(found(query) == ["Rechnung"] for query in narrowing)
    assert len(found("")) == 2
    assert found("updated_after=2100-01-01T00:00:00Z") == []
    assert api.get(f"{ARTICLES}?state=nonsense").status_code == 400
    page = api.get(f"{ARTICLES}?page_size=1").json()
    assert (page["count"], len(page["results"])) == (2, 1)
    assert page["next"]


def test_list_costs_the_same_at_one_and_ten_articles(
    api: APIClient, workspace: Workspace, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_article(workspace)
    api.get(ARTICLES)  # the key's last use is written once a minute
    with django_assert_num_queries(5):
        api.get(ARTICLES)
    for _ in range(9):
        make_article(workspace)
    ensure_entries(live(workspace), bulk=True)
    with django_assert_num_queries(5):
        assert len(api.get(ARTICLES).json()["results"]) == 10


def test_without_a_valid_key_there_is_nothing(api: APIClient) -> None:
    good = str(api._credentials["HTTP_AUTHORIZATION"])  # type: ignore[attr-defined]
    ApiKey.objects.update(expires_at=timezone.now())
    headers = [
        good,
        good[:-1] + "x",
        "Bearer ub_00000000_" + "x" * 43,
        "Bearer nonsense",
        "Basic x",
    ]
    for header in headers:
        response = APIClient().get(ARTICLES, headers={"Authorization": header})
        assert response.status_code == 401
        assert response["WWW-Authenticate"].startswith("Bearer")
    assert APIClient().get(ARTICLES).status_code == 401


@pytest.mark.parametrize(
    ("scopes", "method", "path", "status"),
    [
        (["chat"], "get", "", 403),
        (["articles:read"], "get", "", 200),
        (["articles:read"], "post", "", 403),
        (["articles:write"], "post", "", 201),
        (["articles:write"], "post", "{pk}/publish/", 403),
        (["articles:publish"], "post", "{pk}/publish/", 200),
        (["articles:publish"], "delete", "{pk}/", 403),
        (["internal"], "get", "{pk}/", 403),
    ],
)
def test_scopes_open_what_they_say_and_no_more(
    workspace: Workspace,
    client_for: ClientFor,
    scopes: list[str],
    method: str,
    path: str,
    status: int,
) -> None:
    article = make_article(workspace)
    client = client_for(workspace, *scopes)
    body = TEXT if path == "" and method == "post" else None
    response = getattr(client, method)(ARTICLES + path.format(pk=article.pk), body)
    assert response.status_code == status


def test_writing_with_publish_needs_both_scopes(
    workspace: Workspace, client_for: ClientFor
) -> None:
    client = client_for(workspace, "articles:write")
    assert client.post(ARTICLES, {**TEXT, "publish": True}).status_code == 403
    assert not Article.objects.exists()


def test_articles_are_served_while_redis_is_away(api: APIClient, settings: Settings) -> None:
    settings.CACHES = {
        "default": settings.CACHES["default"] | {"LOCATION": "unix:///nowhere/redis.sock"}
    }
    assert api.get(ARTICLES).status_code == 200
