"""However alike: what differs in a number or a denial is another question."""

from __future__ import annotations

import pytest

from chat.answering.opposites import says_the_same_facts
from chat.retrieval.conversation import Turn
from chat.retrieval.settings import PipelineSettings
from kb.models import Workspace
from tests.chat.test_curated import QUESTION, curate, curated_id

LOOSE = PipelineSettings(curated_above=0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("is breakfast included in the price", "is breakfast not included in the price"),
        ("can I return it after 14 days", "can I return it after 30 days"),
        ("ist das Frühstück dabei", "ist das Frühstück nicht dabei"),
        ("why can I log in", "why can't I log in"),
        ("does it cost 1,50 euros", "does it cost 150 euros"),
        ("is it open at 5 degrees", "is it open at -5 degrees"),
        ("is a share of .5 enough", "is a share of 5 enough"),
        ("is 10 m² enough", "is 10 m enough"),
        ("可以退款吗", "不可以退款吗"),
    ],
)
def test_numbers_and_denials_part_questions(one: str, other: str) -> None:
    assert not says_the_same_facts(one, other)
    assert says_the_same_facts(one, one.upper())


def test_words_that_only_look_like_a_denial_do_not() -> None:
    assert says_the_same_facts("how do I print a note", "print a notice")
    assert says_the_same_facts("3 rooms for 2", "2 guests in 3 rooms")


def test_the_opposite_of_a_curated_question_is_not_answered_by_it(workspace: Workspace) -> None:
    answer = curate(workspace, "is breakfast included in the price of 2 rooms")
    near = "is the breakfast included in the price of 2 rooms"
    assert curated_id(near, workspace, profile=LOOSE) == answer.pk
    for other in (
        "is breakfast not included in the price of 2 rooms",
        "is breakfast included in the price of 3 rooms",
    ):
        assert curated_id(other, workspace, profile=LOOSE) is None


def test_a_follow_up_is_answered_only_in_a_curated_questions_own_words(
    workspace: Workspace,
) -> None:
    answer = curate(workspace)
    talk = [Turn(role="visitor", text="I lost my passport")]
    almost = f"and {QUESTION}"
    assert curated_id(almost, workspace, profile=LOOSE) == answer.pk
    assert curated_id(almost, workspace, profile=LOOSE, history=talk) is None
    assert curated_id(QUESTION, workspace, history=talk) == answer.pk
