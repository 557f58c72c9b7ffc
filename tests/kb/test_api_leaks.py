"""Nothing of one workspace, and nothing internal, reaches a key that may not have it."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from rest_framework.test import APIClient

from kb.models import Article, Collection, Workspace
from tests.factories import add_revision, make_article, make_workspace
from tests.kb.conftest import ClientFor

ARTICLES = "/api/v1/articles/"
SECRET = "Only for our eyes."

ROUTES = [
    ("get", ""),
    ("put", ""),
    ("patch", ""),
    ("delete", ""),
    ("post", "publish/"),
    ("post", "unpublish/"),
    ("post", "archive/"),
    ("post", "restore/"),
    ("post", "revert/"),
    ("get", "revisions/"),
    ("get", "revisions/1/"),
    ("get", "freshness/"),
]
BODY = {"title": "T", "body": "B", "reason": "R", "revision": 1}


class Neighbours(NamedTuple):
    """Two tenants with an article of the same external id."""

    ours: Article
    theirs: Article
    api: APIClient


@pytest.fixture
def neighbours(workspace: Workspace, client_for: ClientFor) -> Neighbours:
    """We hold a key with every scope, of our own workspace."""
    ours = make_article(workspace, title="Ours", external_id="same")
    theirs = make_article(make_workspace(), title="Theirs", body=SECRET, external_id="same")
    Collection.objects.create(workspace=theirs.workspace, name="Their shelf", slug="theirs")
    scopes = ["articles:read", "articles:write", "articles:publish", "internal"]
    return Neighbours(ours, theirs, client_for(workspace, *scopes))


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_other_tenants_article_does_not_exist(
    neighbours: Neighbours, method: str, path: str
) -> None:
    url = f"{ARTICLES}{neighbours.theirs.pk}/{path}"
    body = None if method in {"get", "delete"} else BODY
    response = getattr(neighbours.api, method)(url, body)
    assert response.status_code == 404
    assert SECRET.encode() not in response.content
    neighbours.theirs.refresh_from_db()
    assert neighbours.theirs.published_revision is not None


def test_lists_filters_and_searches_stay_at_home(neighbours: Neighbours) -> None:
    for query in ("", "?q=eyes", "?external_id=same", "?collection=theirs", "?page_size=200"):
        content = neighbours.api.get(ARTICLES + query).content
        assert b"Theirs" not in content
        assert SECRET.encode() not in content


def test_same_external_id_writes_to_ones_own(neighbours: Neighbours) -> None:
    response = neighbours.api.put(f"{ARTICLES}by-external-id/same/", {"title": "T", "body": "B"})
    assert response.json()["id"] == neighbours.ours.pk
    neighbours.theirs.refresh_from_db()
    assert str(neighbours.theirs) == "Theirs"


def test_other_tenants_collection_cannot_be_used(neighbours: Neighbours) -> None:
    response = neighbours.api.post(ARTICLES, {"title": "T", "body": "B", "collection": "theirs"})
    assert response.status_code == 404


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_internal_article_does_not_exist_without_the_scope(
    workspace: Workspace, api: APIClient, method: str, path: str
) -> None:
    article = make_article(workspace, body=SECRET, audience="internal", external_id="i")
    body = None if method in {"get", "delete"} else BODY
    response = getattr(api, method)(f"{ARTICLES}{article.pk}/{path}", body)
    assert response.status_code == 404
    assert Article.objects.filter(pk=article.pk, state="published").exists()


def test_internal_article_is_not_listed_or_overwritten_without_the_scope(
    workspace: Workspace, api: APIClient, client_for: ClientFor
) -> None:
    make_article(workspace, body=SECRET, audience="internal", external_id="i")
    assert api.get(f"{ARTICLES}?q=eyes").json()["count"] == 0
    url = f"{ARTICLES}by-external-id/i/"
    assert api.put(url, {"title": "T", "body": "B"}).status_code == 404
    insider = client_for(workspace, "articles:write", "internal")
    assert insider.get(f"{ARTICLES}?q=eyes").json()["count"] == 1
    assert insider.put(url, {"title": "T", "body": "B"}).status_code == 200


def test_public_draft_over_an_internal_text_stays_hidden(
    workspace: Workspace, api: APIClient
) -> None:
    article = make_article(workspace, body=SECRET, audience="internal")
    add_revision(article, body="Made public, not yet published.", published=False)
    assert api.get(f"{ARTICLES}{article.pk}/").status_code == 404


def test_internal_history_of_a_public_article_stays_hidden(
    workspace: Workspace, api: APIClient
) -> None:
    article = make_article(workspace, body=SECRET, audience="internal")
    add_revision(article, body="Public now.")
    url = f"{ARTICLES}{article.pk}/"
    assert api.get(url).status_code == 200
    assert [r["number"] for r in api.get(f"{url}revisions/").json()["results"]] == [2]
    assert api.get(f"{url}revisions/1/").status_code == 404
    assert api.post(f"{url}revert/", {"revision": 1}).status_code == 404
    assert api.post(f"{url}publish/", {"revision": 1}).status_code == 404
