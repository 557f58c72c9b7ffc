"""Words as the database stems them: every script, no stop words, phrases in order."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from kb.bm25 import inverse_document_frequency, saturation
from kb.content import clean
from kb.errors import TooLarge
from kb.models import Revision, Workspace
from kb.services import save_article
from kb.words import Words, words_of
from tests.factories import make_article

pytestmark = pytest.mark.django_db

# Within one text the database draws its lines where it likes; the text comes back whole.
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)


def words(text: str, language: str = "en") -> Words:
    [found] = words_of([text], [language])
    return found


def spaced(text: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT kb_spaced(%s)", [text])
        return str(cursor.fetchone()[0])


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("plain words", "plain words"),
        ("", ""),
        ("退款政策", "退款 款政 政策"),
        ("猫", "猫"),
        ("API密钥重置", "API 密钥 钥重 重置"),
        ("密钥 API", "密钥  API"),
        ("환불 규정", "환불   규정"),
        ("返金する", "返金 金す する"),
        ("𠀀𠀁𠀂", "𠀀𠀁 𠀁𠀂"),
        ("人々の", "人々 々の"),
        ("二〇一", "二〇 〇一"),
        ("ﾍﾝｷﾝ", "ﾍﾝ ﾝｷ ｷﾝ"),
        ("ｶﾞ", "ｶﾞ"),
        ("アイㇷ゚", "アイ イㇷ ㇷ゚"),
    ],
)
def test_scripts_without_spaces_become_pairs_of_letters(text: str, parts: str) -> None:
    assert spaced(text) == parts


@given(TEXT)
@settings(max_examples=50)
def test_no_letter_is_lost_or_invented_by_spacing(text: str) -> None:
    assert set(spaced(text)) - {" "} == set(text) - {" "}


@pytest.mark.parametrize(
    ("text", "language", "question"),
    [
        ("退款将在五个工作日内到账。", "zh", "退款 到账"),
        ("返金は五営業日以内に処理されます。", "ja", "返金"),
        ("환불은 5일 이내에 처리됩니다.", "ko", "환불"),
        ("คืนเงินภายในห้าวันทำการ", "und", "คืนเงิน"),
        ("Reset your API密钥 here", "en", "密钥"),
        ("如何重置 API key", "zh", "api KEY"),
    ],
)
def test_words_of_every_script_are_found_in_longer_texts(
    text: str, language: str, question: str
) -> None:
    assert set(words(question, language).places) <= set(words(text, language).places)


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [
        ("Rechnungen werden verschickt", "die verschickten Rechnung", "de"),
        ("the cards were refunded", "refund a card", "en"),
        ("las facturas enviadas", "enviar la factura", "es"),
    ],
)
def test_forms_of_a_word_are_one(one: str, other: str, language: str) -> None:
    assert set(words(one, language).places) == set(words(other, language).places)


def test_languages_without_a_stemmer_keep_their_words() -> None:
    assert set(words("Faktury i KARTY", "pl").places) == {"faktury", "i", "karty"}


@pytest.mark.parametrize("text", ["the of and", "???", "", " \n ", "🤷", "...", "“”", "--"])
def test_nothing_to_find_in_stop_words_and_signs(text: str) -> None:
    assert (words(text).length, words(text).counts(), words(text).phrases()) == (0, {}, {})


def test_texts_keep_their_places_in_the_answer() -> None:
    found = words_of(["", "two cards", "the", "zwei Karten"], ["en", "en", "en", "de"])
    assert [each.counts() for each in found] == [
        {},
        {"two": 1, "card": 1},
        {},
        {"zwei": 1, "kart": 1},
    ]
    assert [each.language for each in found] == ["en", "en", "en", "de"]
    assert words_of([], []) == []


def test_counts_and_length_leave_stop_words_out() -> None:
    found = words("A refund is a refund of the card")
    assert (found.counts(), found.length) == ({"refund": 2, "card": 1}, 3)


def test_phrases_reach_across_two_stop_words_and_no_further() -> None:
    assert words("refund card").phrases() == {("refund", "card"): 1}
    assert words("refund of the card").phrases() == {("refund", "card"): 1}
    assert words("refund it to a card").phrases() == {}
    assert words("card refund").phrases() == {("card", "refund"): 1}
    assert words("refund card refund card").phrases() == {
        ("refund", "card"): 2,
        ("card", "refund"): 1,
    }


@pytest.mark.parametrize("text", ["it's 50\\%", "' OR 1=1 --", "a'b\\c:d&e|f!(g)<->h", "%s %(x)s"])
def test_quotes_and_operators_are_only_text(text: str) -> None:
    assert all(len(places) > 0 for places in words(text, "und").places.values())


def different_letters(count: int) -> str:
    """A text of ever other pairs, in three bytes a letter."""
    return "".join(map(chr, Random(4).choices(range(0x4E00, 0x9F00), k=count)))


def test_text_of_more_different_pairs_than_can_be_indexed_is_refused(workspace: Workspace) -> None:
    letters = different_letters(250_000)
    with pytest.raises(TooLarge, match="split the article"):
        save_article(workspace, text=clean(title="书", body=letters, language="zh"))
    assert not workspace.articles.exists()
    short = letters[:83_000]  # as long as texts may be that are not tried beforehand
    assert save_article(workspace, text=clean(title="书", body=short, language="zh")).created


def words_in_search(revision: Revision) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tsvector_to_array(search) FROM kb_revision WHERE id = %s", [revision.pk]
        )
        return set(cursor.fetchone()[0])


def test_stored_text_that_is_too_long_is_found_by_its_beginning(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = different_letters(320_000)
    text = clean(title="书名", body=letters, language="zh")
    with monkeypatch.context() as formerly:
        formerly.setattr("kb.services.articles.require_indexable", lambda _: None)
        saved = save_article(workspace, text=text)
    held = words_in_search(saved.revision)
    assert {"书名", letters[:2], letters[70_000:70_002]} <= held
    assert letters[-2:] not in held
    assert set(words(letters, "zh").places) == held - {"书名"}
    again = save_article(workspace, article=saved.article, text=text, tags=["long"])
    assert (again.changed, again.article.tags) == (False, ["long"])
    with pytest.raises(TooLarge, match="split the article"):
        save_article(workspace, article=saved.article, text=clean(title="新", body=letters))


def test_column_can_be_made_over_stored_texts_that_are_too_long(workspace: Workspace) -> None:
    letters = different_letters(320_000)
    article = make_article(workspace, title="书名", body=letters, language="zh", published=False)
    field = Revision._meta.get_field("search")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with connection.schema_editor() as editor:
        editor.remove_field(Revision, field)
        editor.add_field(Revision, field)
    assert {"书名", letters[:2]} <= words_in_search(article.revisions.get())


def test_words_do_not_depend_on_the_search_path(workspace: Workspace) -> None:
    """As little as a restored dump, which fills the column with an empty one."""
    revision = make_article(workspace, title="书名", body="退款政策").revisions.get()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL search_path = ''")
        cursor.execute("SELECT public.kb_search_vector('pg_catalog.simple', '书名', '退款政策')")
        [(vector,)] = cursor.fetchall()
        cursor.execute("SET LOCAL search_path = public")
    assert all(word in vector for word in words_in_search(revision))


def test_weight_of_a_word_falls_with_its_frequency_and_never_to_nothing() -> None:
    weights = [inverse_document_frequency(100, frequency) for frequency in (0, 1, 50, 99, 100)]
    assert weights == sorted(weights, reverse=True)
    assert weights[-1] > 0


def test_occurrences_are_worth_more_and_more_slowly() -> None:
    worth = [saturation(count) for count in (0, 1, 2, 3)]
    assert worth[0] == 0
    gains = [after - before for before, after in pairwise(worth)]
    assert gains == sorted(gains, reverse=True)
    assert 0.99 < saturation(1000) < 1
    assert saturation(1, 2.0) < saturation(1, 1.0) < saturation(1, 0.5)
