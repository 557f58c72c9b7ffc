"""What a model server's refusal means: is it the text, the set-up, or just now?

Bodies are read as Jina (`{detail, code}`), FastAPI (`{detail: [{loc, msg}]}`), OpenAI
(`{error: {message, code, param}}`) and TEI (`{error, error_type}`) write them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from embeddings.errors import EncoderUnavailable, TextNotEmbeddable, TextTooLong

INPUT_FIELDS = {"input", "inputs", "text", "texts", "query", "documents"}
TOO_LONG = re.compile(
    r"TOKEN_LIMIT_EXCEEDED|too long|context length|max\w* (?:\w+ )?(?:length|tokens)"
    r"|must have less than \d+ tokens|exceeds? the (?:\w+ )*(?:length|limit|tokens|window)",
    re.IGNORECASE,
)
# Where no field is blamed, words about the text blame it; anything else is our set-up.
ABOUT_TEXT = re.compile(
    r"\b(?:inputs?|texts?|tokeni[sz]\w*|documents?|quer(?:y|ies)|empty|characters?)\b",
    re.IGNORECASE,
)
# "text" and "input" are parts of many models' names, and of what plans limit.
ABOUT_SETUP_CODE = re.compile(r"INPUT_MODEL|AUTH|RATE_|BALANCE|RESOURCE_LIMIT", re.IGNORECASE)
ABOUT_SETUP = re.compile(
    r"\bmodels?\b|organi[sz]ation|quota|billing|budget|per (?:minute|day)|rate limit",
    re.IGNORECASE,
)
MOST_CHARACTERS = 300
# What to do, by status; 300, 400 and 500 for all others of their hundred.
ADVICE = {
    300: "{server} redirects ({refusal}): set the option url to where it is now.",
    400: "{server} refused the request ({refusal}): check the encoder's options.",
    401: "{server} refused the key ({refusal}): check {key}.",
    402: "The account at {server} has nothing left ({refusal}): top it up.",
    403: "{server} forbids this ({refusal}): check {key} and the plan.",
    404: "{server} does not know that ({refusal}): check the options model and url.",
    500: "{server} cannot answer now ({refusal}); try again later.",
}
# Codes that say more than the status they come with.
MEANINGS = {"AUTH_": 401, "BALANCE": 402, "INPUT_MODEL": 404}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error answer, read: the fields it blames (if it says so), its code and its words."""

    status: int
    code: str
    detail: str
    fields: frozenset[str]

    def __str__(self) -> str:
        words = self.detail[:MOST_CHARACTERS]
        return f"{self.status} {self.code}: {words}".replace(" :", ":").rstrip(": ")


def read_refusal(status: int, text: str, scrub: Callable[[str], str]) -> Refusal:
    """Whatever the body is, even no JSON at all; `scrub` takes secrets out of its words."""
    try:
        body = json.loads(text)
    except ValueError:
        body = {}
    body = body if isinstance(body, dict) else {}
    error = body.get("error")
    inner = error if isinstance(error, dict) else body
    detail = inner.get("detail") or inner.get("message") or error or ""
    return Refusal(
        status=status,
        code=scrub(str(inner.get("code") or inner.get("error_type") or "")),
        detail=scrub(detail if isinstance(detail, str) else json.dumps(detail)),
        fields=frozenset(_fields(inner)),
    )


def error_for(
    refusal: Refusal, *, server: str, key_name: str
) -> EncoderUnavailable | TextNotEmbeddable:
    """The error to raise for a status that trying again does not help.

    Only what blames the text is TextNotEmbeddable: a wrong key, an empty account or a wrong
    option must not be held against articles.
    """
    blameless = ABOUT_SETUP_CODE.search(refusal.code) or not refusal.fields <= INPUT_FIELDS
    if refusal.status in {400, 413, 422} and not blameless:
        words = f"{refusal.code} {refusal.detail}"
        if refusal.status == 413 or TOO_LONG.search(words):
            return TextTooLong(f"{server} finds the text too long ({refusal})")
        guessed = ABOUT_TEXT.search(words) and not ABOUT_SETUP.search(words)
        if refusal.fields or guessed:
            return TextNotEmbeddable(f"{server} does not accept the text ({refusal})")
    return EncoderUnavailable(_advice(refusal, server, key_name))


def _advice(refusal: Refusal, server: str, key_name: str) -> str:
    hundred = refusal.status // 100 * 100
    status = refusal.status if refusal.status in ADVICE else hundred
    if status not in ADVICE or refusal.status == 429:
        status = 500
    status = next((s for start, s in MEANINGS.items() if start in refusal.code), status)
    return ADVICE[status].format(server=server, refusal=refusal, key=key_name)


def _fields(body: dict[str, Any]) -> list[str]:
    """Names of the request's fields that the server complains about."""
    complaints = body.get("errors") or body.get("detail")
    listed = complaints if isinstance(complaints, list) else []
    names = [_field(each) for each in listed if isinstance(each, dict)]
    names += [body["param"]] if isinstance(body.get("param"), str) else []
    return [name for name in names if name]


def _field(complaint: dict[str, Any]) -> str:
    """`body.input.3` and ("body", "input", 3) both blame `input`."""
    place = complaint.get("loc") or str(complaint.get("field", "")).split(".")
    parts = [part for part in place if isinstance(part, str) and part != "body"]
    known = [part for part in parts if part in INPUT_FIELDS]
    return (known or parts or [""])[0]
