"""Fills an admin's template with what a bidder may know. Each place is escaped for where it stands, always."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from router.buyers.dialect import Question, as_json

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_ANSWER = re.compile(r"answer\.[A-Za-z0-9_]{1,64}")
NAMES = frozenset(
    {"ping_id", "reference", "campaign", "caller", "caller_digits", "caller_hash", "state", "hops", "secret"}
)
BODY_FORMATS = ("json", "form", "xml", "none")
CONTENT_TYPES = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "xml": "application/xml",
}


def placeholders_problem(text: str) -> str | None:
    """Return the first placeholder that is not known, for people; None when all are."""
    for name in _PLACEHOLDER.findall(text):
        if name not in NAMES and not _ANSWER.fullmatch(name):
            known = ", ".join(sorted(NAMES))
            return f"{{{name}}} is none of {known}, answer.NAME"
    return None


def values_of(question: Question, *, secret: str, reference: str) -> Callable[[str], str]:
    """Return what each placeholder stands for; one that has no value is empty."""
    caller = question.caller or ""
    known: Mapping[str, str] = {
        "ping_id": question.ping_id,
        "reference": reference,
        "campaign": question.campaign,
        "caller": caller,
        "caller_digits": caller.removeprefix("+1").removeprefix("+"),
        "caller_hash": question.caller_hash or "",
        "state": question.state or "",
        "hops": ",".join(question.hops),
        "secret": secret,
    }

    def value(name: str) -> str:
        return question.answers.get(name.removeprefix("answer."), "") if name not in known else known[name]

    return value


def fill_url(template: str, value: Callable[[str], str]) -> str:
    return _filled(template, value, lambda text: quote(text, safe=""))


def fill_header(template: str, value: Callable[[str], str]) -> str:
    """Only visible ASCII and spaces stay: nothing in a value can begin another header."""
    return _filled(template, value, lambda text: re.sub(r"[^\x20-\x7e]", "", text))


def fill_body(template: Any, body_format: str, value: Callable[[str], str]) -> bytes:
    """Return the body. JSON is filled string by string, forms field by field, XML with entities."""
    if body_format == "json":
        return as_json(_filled_json(template, value))
    if body_format == "form":
        fields = (
            f"{quote(name, safe='')}={fill_url(text, value)}" for name, text in sorted(template.items())
        )
        return "&".join(fields).encode()
    if body_format == "xml":
        return _filled(template, value, _as_xml).encode()
    return b""


def _as_xml(text: str) -> str:
    # Both quotes are escaped, so that a placeholder may stand in an element or in an attribute; signs that XML cannot
    # hold are left out.
    allowed = "".join(
        sign for sign in text if sign >= " " and not "\ud800" <= sign <= "\udfff" and sign < "\ufffe"
    )
    return escape(allowed, {'"': "&quot;", "'": "&apos;"})


def _filled(template: str, value: Callable[[str], str], escaped: Callable[[str], str]) -> str:
    return _PLACEHOLDER.sub(lambda match: escaped(value(match[1])), template)


def _filled_json(template: Any, value: Callable[[str], str]) -> Any:
    if isinstance(template, str):
        return _filled(template, value, lambda text: text)
    if isinstance(template, dict):
        return {name: _filled_json(inner, value) for name, inner in template.items()}
    if isinstance(template, list):
        return [_filled_json(inner, value) for inner in template]
    return template
