"""What paid encoders cost, per workspace, encoder and day."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from chat.answering.answer import answer_question
from embeddings.encoders.base import Document, EmbeddedDocument, Matrix, Task
from embeddings.encoders.hash import HashEncoder
from embeddings.encoders.metering import add_tokens
from embeddings.filling.loop import embed_pending
from embeddings.live import live_version
from embeddings.metrics import IndexCollector
from embeddings.models import TokenSpend
from embeddings.spending import spending
from kb.models import Workspace
from tests.factories import make_article, make_workspace

pytestmark = pytest.mark.django_db


class Priced(HashEncoder):
    """A token a word, paid."""

    def encode_documents(self, documents: Sequence[Document]) -> list[EmbeddedDocument]:
        """Counts bodies."""
        add_tokens(sum(self.count_tokens([each.body for each in documents])))
        return super().encode_documents(documents)

    def encode(self, texts: Sequence[str], task: Task) -> Matrix:
        """Counts texts."""
        add_tokens(sum(self.count_tokens(texts)))
        return super().encode(texts, task)


@pytest.fixture
def priced(settings: Settings) -> Workspace:
    """A workspace whose encoder costs."""
    backend = "tests.embeddings.test_spending.Priced"
    settings.ENCODERS = {
        **settings.ENCODERS,
        "priced": {"BACKEND": backend, "OPTIONS": {"name": "priced"}, "STRATEGY": "windows"},
    }
    return make_workspace(slug="paying", encoder="priced")


def spent() -> int:
    """Tokens of the only row there is."""
    return TokenSpend.objects.get().tokens


def test_articles_and_questions_add_up_for_their_workspace(
    priced: Workspace, workspace: Workspace
) -> None:
    make_article(priced, title="Refunds", body="A refund is paid within five days.")
    make_article(workspace, title="Other", body="This one is free of charge.")
    embed_pending(live_version(priced))
    embed_pending(live_version(workspace))
    row = TokenSpend.objects.get()
    assert (row.workspace, row.encoder, row.tokens) == (priced, "priced", 7)
    answer_question("When is a refund paid?", workspace=priced)
    after_question = spent()
    assert after_question >= 7 + 5  # the question, and the sentences it was compared with
    answer_question("When is a refund paid?", workspace=workspace)
    assert spent() == after_question


def spend_and_fail(workspace: Workspace) -> None:
    """An API that answers, and then something that does not."""
    with spending(workspace_id=workspace.pk, encoder="priced"):
        add_tokens(11)
        raise RuntimeError


def test_what_failed_was_paid_all_the_same(priced: Workspace) -> None:
    with pytest.raises(RuntimeError):
        spend_and_fail(priced)
    assert spent() == 11


def test_models_in_our_own_house_cost_no_query(
    workspace: Workspace, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with (
        django_assert_num_queries(0),
        spending(workspace_id=workspace.pk, encoder="hash"),
    ):
        HashEncoder().encode_queries(["free"])


def test_metric_sums_over_workspaces_without_naming_them(priced: Workspace) -> None:
    other = make_workspace(slug="paying-too", encoder="priced")
    for each, tokens in ((priced, 5), (other, 6)):
        with spending(workspace_id=each.pk, encoder="priced"):
            add_tokens(tokens)
    [metric] = [m for m in IndexCollector().collect() if m.name == "unabridged_paid_tokens_today"]
    [sample] = metric.samples
    assert (sample.labels, sample.value) == ({"encoder": "priced"}, 11)
