"""Index versions in the admin: started after an estimate, followed, moved; each for its tenant."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from embeddings.admin import version_moves
from embeddings.admin.version_plots import build_history, plots_of
from embeddings.filling.loop import embed_pending
from embeddings.filling.settling import settle
from embeddings.live import live_version
from embeddings.models import (
    EntryState,
    IndexEntry,
    IndexVersion,
    ServingProcess,
    VersionState,
    WorkerHeartbeat,
)
from embeddings.services.cutting_over import cut_over
from kb.models import Workspace
from tests.admin.conftest import SignIn
from tests.embeddings.versions import ANNA, allowed, fresh, last_event, put_in, ready, start
from tests.factories import live, make_article

FORM = {"encoder": "hash-wide", "strategy": "", "tokens_per_second": "", "reason": "longer"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not ready is refused at once."""
    monkeypatch.setattr(version_moves, "REQUEST_PATIENCE", 0.0)


@pytest.fixture
def owner(workspace: Workspace, sign_in: SignIn) -> Client:
    """With three articles to embed, and a worker."""
    WorkerHeartbeat.objects.create(worker="w", seen_at=timezone.now())
    for number in range(3):
        make_article(workspace, title=f"Article {number}")
    return sign_in(workspace)


def at(name: str, *args: object) -> str:
    return reverse(f"admin:embeddings_indexversion_{name}", args=args)


def told(client: Client, url: str, status: int = 200) -> str:
    response = client.get(url)
    assert response.status_code == status
    return response.content.decode()


def do(client: Client, version: IndexVersion, action: str, **sent: Any) -> HttpResponse:
    form = {f"{action}-{name}": value for name, value in sent.items()}
    response: HttpResponse = client.post(at("do", version.pk, action), form)  # type: ignore[assignment]
    return response


def buttons(client: Client, version: IndexVersion) -> set[str]:
    """Names of the moves that the page offers."""
    html = told(client, at("change", version.pk))
    return set(re.findall(rf'action="{at("do", version.pk, "x")[:-2]}([\w-]+)/"', html))


def park(version: IndexVersion, title: str, reason: str) -> None:
    entries = IndexEntry.objects.filter(index_version=version, revision__title=title)
    assert entries.update(state=EntryState.PARKED, reason=reason, attempts=3) == 1


def test_a_list_shows_states_and_progress(workspace: Workspace, owner: Client) -> None:
    version = start(workspace)
    embed_pending(version)
    html = told(owner, at("changelist"))
    for words in ("2 · hash-wide", "Building", "3 of 3", "Live", at("start")):
        assert words in html


def test_it_is_started_only_after_the_estimate_was_seen(
    workspace: Workspace, owner: Client
) -> None:
    form = {**FORM, "workspace": workspace.pk, "cut_over": "on", "tokens_per_second": "900"}
    assert "hash-wide" in told(owner, at("start"))
    html = owner.post(at("start"), {**form, "start": "1"}).content.decode()
    assert workspace.index_versions.count() == 1  # no estimate was sent along: it comes first
    assert "nothing: the model runs here" in html
    [signed] = re.findall(r'name="estimate" value="([^"]+)"', html)
    other = {**form, "encoder": "minilm", "estimate": signed, "start": "1"}
    owner.post(at("start"), {**other, "strategy": "chunks"})
    owner.post(at("start"), {**form, "estimate": signed[:-2] + "xx", "start": "1"})
    assert workspace.index_versions.count() == 1  # that was the estimate of something else
    response = owner.post(at("start"), {**form, "estimate": signed, "start": "1"})
    made = workspace.index_versions.get(number=2)
    assert response["Location"] == at("change", made.pk)
    assert (made.cut_over_when_ready, made.tokens_per_second) == (True, 900)
    assert made.estimate["articles"] == 3
    assert last_event(made).reason == "longer"
    assert last_event(made).user
    assert "The estimate beside what happened" in told(owner, at("change", made.pk))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"encoder": "nope"}, "Select a valid choice"),
        ({"tokens_per_second": "0"}, "greater than or equal to 1"),
        ({"night_from": "22:00"}, "Give both hours"),
        ({"encoder": "hash"}, "Version 1 is the same already"),
    ],
)
def test_what_cannot_be_started_is_told(
    workspace: Workspace, owner: Client, given: dict[str, str], message: str
) -> None:
    html = owner.post(at("start"), {**FORM, "workspace": workspace.pk, **given}).content.decode()
    assert message in html
    assert 'name="start"' not in html
    assert workspace.index_versions.count() == 1


def test_it_is_followed_while_it_is_built(workspace: Workspace, owner: Client) -> None:
    version = start(workspace)
    page = told(owner, at("change", version.pk))
    assert "0 of 3 articles embedded" in page
    assert 'data-settled="0"' in page
    assert "Reload to see how far it is" in page
    embed_pending(version)
    live_part = owner.get(at("live", version.pk)).json()
    assert "3 of 3 articles embedded" in live_part["parts"]["now"]["html"]
    assert live_part["spoken"] == "Building: 100 % embedded."
    assert not live_part["settled"]
    assert "Articles over time" in live_part["parts"]["plots"]["html"]
    embed_pending(live(workspace))
    assert settle(version)
    refused = allowed(version, live(workspace), yes=False)
    refused.worst = [{"text": "How do I get my money back?", "difference": -1.0}]
    refused.save()
    over = owner.get(at("live", version.pk)).json()
    assert (over["spoken"], over["settled"]) == ("Ready.", True)
    assert over["parts"]["moves"]["key"] != live_part["parts"]["moves"]["key"]
    assert "The gate refused it" in over["parts"]["now"]["html"]
    assert "How do I get my money back?" in over["parts"]["rest"]["html"]


def test_parts_that_say_the_same_have_the_same_key(workspace: Workspace, owner: Client) -> None:
    version = ready(workspace)
    IndexVersion.objects.filter(pk=version.pk).update(
        state_since=timezone.now() - timedelta(days=3)
    )
    first, second = (owner.get(at("live", version.pk)).json()["parts"] for _ in range(2))
    assert {name: part["key"] for name, part in first.items()} == {
        name: part["key"] for name, part in second.items()
    }
    assert first["moves"]["html"] != second["moves"]["html"]  # each form has its own token


@pytest.mark.parametrize(
    ("state", "offered"),
    [
        ("building", {"pause", "pace", "cancel"}),
        ("paused", {"resume", "pace", "cancel"}),
        ("failed", {"retry", "pace", "cancel"}),
        ("ready", {"cut-over", "shadow", "cancel", "retire"}),
        ("live", set()),
        ("standby", {"cut-over", "roll-back", "shadow", "retire"}),
        ("cancelled", set()),
        ("retired", set()),
    ],
)
def test_the_buttons_are_the_moves_that_the_state_allows(
    workspace: Workspace, owner: Client, state: str, offered: set[str]
) -> None:
    version = ready(workspace)
    if state == "live":
        put_in(live(workspace), VersionState.STANDBY)
    assert buttons(owner, put_in(version, VersionState(state))) == offered


def test_the_simple_moves(workspace: Workspace, owner: Client) -> None:
    version = start(workspace)
    assert owner.get(at("do", version.pk, "pause")).status_code == 405
    assert do(owner, version, "pause").status_code == 302
    assert fresh(version).state == VersionState.PAUSED
    do(owner, version, "resume")
    do(owner, version, "pace", tokens_per_second="50", night_from="22:00", night_until="06:00")
    changed = fresh(version)
    assert (changed.state, changed.tokens_per_second) == (VersionState.BUILDING, 50)
    assert "22:00 to 06:00 UTC" in told(owner, at("change", version.pk))
    assert owner.post(at("do", version.pk, "explode")).status_code == 404


@pytest.mark.parametrize(
    ("state", "action"), [("building", "cancel"), ("standby", "roll-back"), ("standby", "retire")]
)
def test_what_cannot_be_undone_needs_a_written_reason(
    workspace: Workspace, owner: Client, state: str, action: str
) -> None:
    version = put_in(ready(workspace), VersionState(state))
    for reason in ("", "  "):
        response = do(owner, version, action, reason=reason, now="on")
        assert response.status_code == 409
        assert "This field is required" in response.content.decode()
    assert fresh(version).state == state
    assert do(owner, version, action, reason="bad vectors", now="on").status_code == 302
    assert (last_event(version).reason, fresh(version).state != state) == ("bad vectors", True)


def test_cutting_over_against_the_gate_is_told_and_recorded(
    workspace: Workspace, owner: Client
) -> None:
    version = ready(workspace)
    allowed(version, live(workspace), yes=False)
    park(version, "Article 1", "its text <b>is</b> odd")
    page = told(owner, at("change", version.pk))
    assert "its text &lt;b&gt;is&lt;/b&gt; odd" in page
    refused = do(owner, version, "cut-over", override="", waiver="it is a duplicate")
    assert refused.status_code == 409
    html = refused.content.decode()
    assert "The gate refused version 2" in html
    assert "it is a duplicate" in html  # what was written is not lost
    assert live_version(workspace).number == 1
    do(owner, version, "cut-over", override="far better in German", waiver="it is a duplicate")
    assert live_version(workspace).pk == version.pk
    page = told(owner, at("change", version.pk))
    assert "override: far better in German" in page
    assert "waiver: it is a duplicate" in page


def test_reasons_are_only_asked_for_where_they_are_needed(
    workspace: Workspace, owner: Client
) -> None:
    version = ready(workspace)
    page = told(owner, at("change", version.pk))
    assert "cut-over-override" in page
    assert "cut-over-waiver" not in page
    allowed(version, live(workspace))
    assert "cut-over-override" not in told(owner, at("change", version.pk))
    assert do(owner, version, "cut-over").status_code == 302
    assert live_version(workspace).pk == version.pk


def test_a_cut_over_that_has_to_wait_says_for_what(workspace: Workspace, owner: Client) -> None:
    version = ready(workspace)
    allowed(version, live(workspace))
    ServingProcess.objects.create(name="web-1", seen_at=timezone.now())
    html = do(owner, version, "cut-over").content.decode()
    assert "have not loaded" in html
    assert live_version(workspace).number == 1


def test_a_button_of_a_state_that_is_over_changes_nothing(
    workspace: Workspace, owner: Client
) -> None:
    version = start(workspace)
    do(owner, version, "pause")
    late = do(owner, version, "pause")
    assert late.status_code == 409
    assert "is paused" in late.content.decode()
    assert fresh(version).state == VersionState.PAUSED


def test_it_is_rolled_back_and_asked_beside_the_live_one(
    workspace: Workspace, owner: Client
) -> None:
    first, version = live(workspace), ready(workspace)
    do(owner, version, "shadow", percent="25")
    assert fresh(version).shadow_share == 0.25
    allowed(version, first)
    cut_over(version, actor=ANNA)
    do(owner, first, "roll-back", reason="worse in German")
    assert live_version(workspace).pk == first.pk
    assert "worse in German" in told(owner, at("change", first.pk))
    soaking = do(owner, version, "retire", reason="gone")
    assert soaking.status_code == 409
    do(owner, version, "retire", reason="gone", now="on")
    assert fresh(version).state == VersionState.RETIRED


@pytest.mark.parametrize("role", ["owner", "reviewer", "operator", "analyst", "editor"])
def test_all_members_read_and_operators_move(
    workspace: Workspace, sign_in: SignIn, role: str
) -> None:
    version, client = start(workspace), sign_in(workspace, role)
    operates = role in {"owner", "operator"}
    assert client.get(at("changelist")).status_code == 200
    assert client.get(at("live", version.pk)).status_code == 200
    assert bool(buttons(client, version)) == operates
    assert (client.get(at("start")).status_code == 200) == operates
    assert do(client, version, "pause").status_code == (302 if operates else 403)
    assert (fresh(version).state == VersionState.PAUSED) == operates


def test_nothing_of_another_tenant_is_seen_started_or_moved(
    workspace: Workspace, foreign: Workspace, owner: Client
) -> None:
    theirs = start(foreign)
    for url in (at("change", theirs.pk), at("live", theirs.pk)):
        assert owner.get(url).status_code == 404
    for action in version_moves.BY_NAME:
        assert do(owner, theirs, action, reason="x").status_code == 404
    assert fresh(theirs).state == VersionState.BUILDING
    assert "theirs" not in told(owner, at("start")).lower()
    html = owner.post(at("start"), {**FORM, "workspace": foreign.pk}).content.decode()
    assert "Select a valid choice" in html
    assert foreign.index_versions.count() == 2
    assert at("change", theirs.pk) not in told(owner, at("changelist"))
    assert Client().get(at("change", theirs.pk)).status_code == 302


def test_a_plot_has_what_was_embedded_when(workspace: Workspace, owner: Client) -> None:
    version = start(workspace)
    assert plots_of(version, total=3) == ()
    began = timezone.now() - timedelta(seconds=470)
    IndexVersion.objects.filter(pk=version.pk).update(created_at=began)
    embed_pending(version)
    entries = list(IndexEntry.objects.filter(index_version=version).order_by("pk"))
    for entry, seconds in zip(entries, (5, 240, 469), strict=True):
        entry.embedded_at, entry.tokens = began + timedelta(seconds=seconds), 100
        entry.save()
    history = build_history(fresh(version), until=began + timedelta(seconds=470))
    assert (history.done[0], history.done[24], history.done[-1]) == (1, 2, 3)
    assert history.speed[0] == pytest.approx(100 * 16 / 470)
    articles, speed = plots_of(fresh(version), total=3)
    assert articles.summary.startswith("3 of 3 articles after 7 min 50 s")
    assert [tick.text for tick in articles.x_ticks] == ["0", "2", "4", "6", "8"]
    assert articles.across == "minutes since the start"
    assert len(articles.table.rows) == 12
    assert speed.lines[0].path.count(",") == 16
    assert told(owner, at("change", version.pk)).count('role="img"') == 2


def test_pages_cost_the_same_however_much_there_is(workspace: Workspace, owner: Client) -> None:
    version = ready(workspace)
    park(version, "Article 0", "odd")

    def queries() -> list[int]:
        counts = []
        for page in (at("changelist"), at("change", version.pk), at("live", version.pk)):
            told(owner, page)
            with CaptureQueriesContext(connection) as captured:
                told(owner, page)
            counts.append(len(captured))
        return counts

    before = queries()
    for number in range(4):
        make_article(workspace, title=f"More {number}")
        put_in(start(workspace, "minilm"), VersionState.CANCELLED)
    embed_pending(live(workspace))
    embed_pending(version)
    for number in range(4):
        park(version, f"More {number}", "odd")
    assert queries() == before


def test_a_page_is_followed_as_long_as_something_changes_by_itself(
    workspace: Workspace, owner: Client
) -> None:
    def followed(version: IndexVersion) -> bool:
        return 'data-settled="0"' in told(owner, at("change", version.pk))

    version = start(workspace)
    assert followed(version)
    do(owner, version, "pause")
    assert not followed(version)
    do(owner, version, "resume")
    embed_pending(live(workspace))
    embed_pending(version)
    assert settle(version)
    assert followed(version)  # the gate will judge it
    allowed(version, live(workspace))
    assert not followed(version)  # somebody may cut over
    IndexVersion.objects.filter(pk=version.pk).update(cut_over_when_ready=True)
    assert followed(version)  # a worker will
