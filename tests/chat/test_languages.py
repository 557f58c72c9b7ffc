"""Guessing languages by stop words and script."""

from __future__ import annotations

import pytest

from chat.languages import guess_language

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("how do I change the name on my account", "en"),
        ("wie ändere ich den Namen in meinem Konto", "de"),
        ("¿cómo cambio el nombre de mi cuenta?", "es"),
        ("comment changer le nom de mon compte ?", "fr"),
        ("come posso cambiare il nome del mio account?", "it"),
        ("как я могу изменить имя в моём аккаунте", "ru"),
        ("我怎么修改账户名称", "zh"),
        ("アカウントの名前を変更するには", "ja"),
        ("계정 이름을 어떻게 바꾸나요", "ko"),
    ],
)
def test_sentences_are_recognised(text: str, language: str) -> None:
    assert guess_language(text, otherwise="xx") == language


def test_only_languages_in_question_are_guessed() -> None:
    spanish = "cambio el nombre de mi cuenta"
    assert guess_language(spanish, otherwise="en", among={"en", "es"}) == "es"
    assert guess_language(spanish, otherwise="en", among={"en"}) == "en"


@pytest.mark.parametrize("text", ["", "refund?", "42", "🤷", "Fernway Kiosk R44"])
def test_otherwise_for_what_says_nothing(text: str) -> None:
    assert guess_language(text, otherwise="xx") == "xx"
