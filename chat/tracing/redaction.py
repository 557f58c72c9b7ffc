"""Personal data and secrets in a text, found by their form and masked.

Found: e-mail addresses, phone numbers (libphonenumber's rules), card numbers (13 to 19 digits
with a right Luhn digit), IBANs (right length and check digits), and secrets: keys by the
prefixes that their makers give them, private keys, passwords in URLs, what follows
"password:", "Authorization: Basic" and their like, and long strings of mixed letters and
digits. Names and street addresses have no form that could be known here, and stay.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from phonenumbers import PhoneNumberMatcher
from stdnum import iban, luhn

EMAIL, PHONE, CARD, IBAN, SECRET, NUMBER = "email", "phone", "card", "iban", "secret", "number"
# In a text with more digits (a pasted log) they are not told apart, which would take long:
# every word with a digit is masked.
MAX_DIGITS = 300

# Possessive and anchored at the start of a word: linear in the length of the text.
_EMAIL = re.compile(r"(?<![\w.+%'-])[\w.+%'-]++@[\w-]++(?:\.[\w-]++)++")
_DIGIT_GROUPS = re.compile(r"(?<![\d])\d++(?:[ .\u00a0\u2009\u2013-]\d++)*+")
_WORD_WITH_DIGIT = re.compile(r"(?<!\w)[^\W\d]*+\d\w*+")
_GROUP = re.compile(r"\d+")
_CARD_LENGTHS = range(13, 20)
_IBAN_START = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?=[ -]?[A-Za-z0-9])")
_IBAN_REST = re.compile(r"(?:[ -]?[A-Za-z0-9]){11,30}")
_SECRETS = re.compile(
    r"""
    -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----(?:.*?-----END[ ][A-Z ]*PRIVATE[ ]KEY-----|.*)
    | (?<![A-Za-z0-9])(?:
        ub_[0-9a-f]{8}_[\w-]{20,}
        | (?:sk|pk|rk|whsec)[_-][\w-]{16,}
        | (?:gh[oprsu]|github_pat|glpat|xox[abeprs]|jina|hf|npm|pypi|shpat|dop_v1)[_-][\w-]{16,}
        | (?:AKIA|ASIA)[0-9A-Z]{16}
        | AIza[\w-]{35}
        | eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*
      )
    | (?<=://)[^\s/@:]+:[^\s/@]+(?=@)
    | \b(?i:authorization)["']?\s*[:=]\s*["']?
      (?i:basic|bearer|token|api-?key|negotiate|ntlm)[ ]+(?P<credentials>[^\s"',;]+)
    | \b(?i:bearer)[ ]+(?P<bearer>[\w.~+/-]{16,}=*)
    | \b(?i:pass(?:word|wort|code|phrase)|pwd|secret|token|api[ _-]?key|client[ _-]?secret)
      ["']?\s*[:=]\s*(?P<value>"[^"\n]+"|'[^'\n]+'|\S+)
    | (?<!\w)(?P<mixed>\w{24,})(?!\w)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """`text[start:end]` is something to mask; `kind` says what."""

    start: int
    end: int
    kind: str


def redact(text: str, *, regions: Sequence[str] = ()) -> str:
    """`text` with a mask such as `[email]` for each find; masking twice changes nothing.

    `regions` are countries (ISO 3166 codes) whose phone numbers are known without a `+`.
    """
    return masked(text, find_private(text, regions=regions))


def redact_parts(text: str, parts: Sequence[str], *, regions: Sequence[str] = ()) -> list[str]:
    """Pieces of `text`, in order, masked as the whole is: a number may be cut in two."""
    spans, masks, at = find_private(text, regions=regions), [], 0
    for part in parts:
        start = text.find(part, at)
        if start < 0:  # not a piece of the text after all
            masks.append(redact(part, regions=regions))
            continue
        at = start + len(part)
        masks.append(masked(part, list(_clipped(spans, start, at))))
    return masks


def masked(text: str, spans: Sequence[Span]) -> str:
    """`text` with each span, in order, given as its kind in brackets."""
    pieces, at = [], 0
    for span in spans:
        pieces += [text[at : span.start], f"[{span.kind}]"]
        at = span.end
    return "".join([*pieces, text[at:]])


def find_private(text: str, *, regions: Sequence[str] = ()) -> list[Span]:
    """Everything to mask, in order; finds that touch one another are one."""
    found = [*_secrets(text), *_emails(text)]
    if sum(map(str.isdigit, text)) > MAX_DIGITS:
        return _merged([*found, *_numbers(text)])
    return _merged([*found, *_ibans(text), *_cards(text), *_phones(text, regions)])


def _emails(text: str) -> Iterator[Span]:
    for match in _EMAIL.finditer(text):
        yield Span(start=match.start(), end=match.end(), kind=EMAIL)


def _secrets(text: str) -> Iterator[Span]:
    for match in _SECRETS.finditer(text):
        name = match.lastgroup or 0
        if name == "mixed" and not _looks_random(match["mixed"]):
            continue
        start, end = match.span(name)
        yield Span(start=start, end=end, kind=SECRET)


def _looks_random(word: str) -> bool:
    """Hexadecimal, or capitals, small letters and digits in one long word."""
    if re.fullmatch(r"(?=\w*\d)[0-9A-Fa-f]{32,}", word):
        return True
    digits = sum(character.isdigit() for character in word)
    mixed = any(character.isupper() for character in word) and word.upper() != word
    return digits >= 2 and mixed


def _ibans(text: str) -> Iterator[Span]:
    for head in _IBAN_START.finditer(text):
        rest = _IBAN_REST.match(text, head.end())
        if rest is None:
            continue
        # Words may follow without a mark between: the longest start that checks is it.
        for end in range(rest.end(), head.end() + 10, -1):
            if text[end - 1].isalnum() and iban.is_valid(text[head.start() : end]):
                yield Span(start=head.start(), end=end, kind=IBAN)
                break


def _cards(text: str) -> Iterator[Span]:
    for run in _DIGIT_GROUPS.finditer(text):
        groups = [match.span() for match in _GROUP.finditer(run.group())]
        for first, (start, _) in enumerate(groups):
            digits = ""
            for group_start, end in groups[first:]:
                digits += _ascii(run.group()[group_start:end])
                if len(digits) >= _CARD_LENGTHS.stop:
                    break
                if len(digits) in _CARD_LENGTHS and luhn.is_valid(digits):
                    yield Span(start=run.start() + start, end=run.start() + end, kind=CARD)


def _numbers(text: str) -> Iterator[Span]:
    for match in _WORD_WITH_DIGIT.finditer(text):
        yield Span(start=match.start(), end=match.end(), kind=NUMBER)


def _phones(text: str, regions: Iterable[str]) -> Iterator[Span]:
    # Without a region only numbers that begin with + are found.
    for region in (None, *regions):
        for match in PhoneNumberMatcher(text, region):
            yield Span(start=match.start, end=match.end, kind=PHONE)


def _ascii(digits: str) -> str:
    return "".join(str(unicodedata.decimal(digit)) for digit in digits)


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Overlaps joined, under the name of the longest."""
    joined: list[Span] = []
    longest = 0
    for span in sorted(spans, key=lambda each: (each.start, -each.end)):
        size = span.end - span.start
        if joined and span.start < joined[-1].end:
            last = joined[-1]
            kind = span.kind if size > longest else last.kind
            longest = max(longest, size)
            joined[-1] = Span(start=last.start, end=max(last.end, span.end), kind=kind)
        else:
            joined.append(span)
            longest = size
    return joined


def _clipped(spans: Iterable[Span], start: int, end: int) -> Iterator[Span]:
    """The parts of `spans` within [start, end), counted from `start`."""
    for span in spans:
        first, last = max(span.start, start), min(span.end, end)
        if first < last:
            yield Span(start=first - start, end=last - start, kind=span.kind)
