"""Personal data is found by its form, wherever it stands, and nothing else is touched."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from chat.tracing.redaction import redact, redact_parts

REGIONS = ("US", "GB", "DE", "FR")

PRIVATE = [
    ("write to ann.b+shop@example.co.uk, please", "write to [email], please"),
    ("mailto:jörg@müller.example", "mailto:[email]"),
    ("<o'neil@example.com>", "<[email]>"),
    ("call +49 30 901820 today", "call [phone] today"),
    ("call (415) 555-2671 today", "call [phone] today"),
    ("ruf 0171 1234567 an", "ruf [phone] an"),
    ("my card is 4111 1111 1111 1111.", "my card is [card]."),
    ("4111-1111-1111-1111 expires 09/27", "[card] expires 09/27"),
    ("order 12 4111 1111 1111 1111", "order 12 [card]"),
    ("card378282246310005", "card[card]"),
    ("DE89 3704 0044 0532 0130 00 is mine", "[iban] is mine"),
    ("gb29nwbk60161331926819", "[iban]"),
    ("key ub_0a1b2c3d_AbCdEfGhIjKlMnOpQrStUv", "key [secret]"),
    ("sk-proj-abcdefghijklmnopqrst1234", "[secret]"),
    ("ghp_abcdefghijklmnopqrstuvwxyz0123456789 leaked", "[secret] leaked"),
    ("AKIAIOSFODNN7EXAMPLE", "[secret]"),
    ("Authorization: Bearer abc.def-ghi_jkl/mno", "Authorization: Bearer [secret]"),
    ("Authorization: Basic YW5uOnBhNTU= fails", "Authorization: Basic [secret] fails"),
    ("Authorization: Bearer short1", "Authorization: Bearer [secret]"),
    ('{"authorization": "Basic YW5uOnBhNTU="}', '{"authorization": "Basic [secret]"}'),
    ("-H 'Proxy-Authorization: basic YTpi'", "-H 'Proxy-Authorization: basic [secret]'"),
    ("password: hunter2 does not work", "password: [secret] does not work"),
    ('{"api_key": "s3cr3t value"}', '{"api_key": [secret]}'),
    ("postgres://ann:pa55@db.example.com/x", "postgres://[email]/x"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc", "[secret]"),
    ("tok 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "tok [secret]"),
]
HARMLESS = [
    "How long does a refund take?",
    "Invoice 2024-11-25, total $1,234,567.89, version 3.14.159",
    "error 404 on 192.168.100.200 at 13:00",
    "the @mention of @ann and a@b",
    "4111 1111 1111 1112 has a wrong last digit",
    "DE89 is no account number",
    "Authorization: see the page on basic access.",
    "Is the password secret? A token costs 2 credits.",
    "Donaudampfschifffahrtsgesellschaftskapitän",
    "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    "",
]


@pytest.mark.parametrize(("text", "expected"), PRIVATE)
def test_private_data_is_masked_in_place(text: str, expected: str) -> None:
    assert redact(text, regions=REGIONS) == expected


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_stays(text: str) -> None:
    assert redact(text, regions=REGIONS) == text


def test_national_numbers_need_their_country() -> None:
    assert redact("0171 1234567") == "0171 1234567"
    assert redact("0171 1234567", regions=["DE"]) == "[phone]"


@given(st.text(max_size=300))
def test_masking_twice_changes_nothing(text: str) -> None:
    once = redact(text, regions=REGIONS)
    assert redact(once, regions=REGIONS) == once


@given(
    st.text(alphabet="abc ,.;", max_size=30),
    st.integers(10**12, 10**18 - 1),
    st.sampled_from(["", " ", "-"]),
    st.text(alphabet="xyz ,.;", max_size=30),
)
def test_no_card_number_is_left(before: str, number: int, mark: str, after: str) -> None:
    digits = f"{number}{luhn.calc_check_digit(str(number))}"
    written = mark.join(digits[at : at + 4] for at in range(0, len(digits), 4))
    left = redact(f"{before}{written}{after}")
    assert digits not in re.sub(r"\D", "", left)


@given(
    st.from_regex(r"[a-z0-9][a-z0-9.+_-]{0,20}", fullmatch=True),
    st.from_regex(r"[a-z0-9]{1,10}(\.[a-z]{2,5}){1,3}", fullmatch=True),
    st.text(alphabet="äβ ,(<\n", max_size=10),
)
def test_no_address_is_left(name: str, host: str, around: str) -> None:
    left = redact(f"{around} {name}@{host} {around}")
    assert "@" not in left
    assert host not in left


@given(
    st.lists(st.sampled_from(["4111", "1111", "and", "ann@example.com", "+49", "30"]), max_size=20)
)
def test_pieces_are_masked_as_their_whole_is(words: list[str]) -> None:
    text = " ".join(words)
    middle = len(words) // 2
    parts = [part for part in (" ".join(words[:middle]), " ".join(words[middle:])) if part]
    kept = " ".join(redact_parts(text, parts))
    assert "@" not in kept
    assert re.sub(r"\D", "", redact(text)) == re.sub(r"\D", "", kept)


def test_a_number_cut_in_two_is_masked_in_both_pieces() -> None:
    text = "card 4111 1111 1111 1111 ok"
    assert redact_parts(text, ["card 4111 1111", "1111 1111 ok"]) == ["card [card]", "[card] ok"]
    assert redact_parts(text, ["elsewhere a@example.com"]) == ["elsewhere [email]"]


@pytest.mark.parametrize("unit", ["a", "1 ", "a@", "DE89 ", "password:", "1", "A1b", ".", "+1 "])
def test_long_texts_take_little_time(unit: str) -> None:
    text = (unit * 4000)[:4000]
    started = time.perf_counter()
    redact(text, regions=REGIONS)
    assert time.perf_counter() - started < 0.5


def test_where_digits_are_many_every_number_goes() -> None:
    log = "\n".join(f"10:{number:02} user4711 paid 0171 1234567" for number in range(20))
    left = redact(f"{log}\nfor ann@example.com")
    assert not re.search(r"\d", left)
    assert left.startswith("[number]:[number] [number] paid [number] [number]")
    assert left.endswith("for [email]")
