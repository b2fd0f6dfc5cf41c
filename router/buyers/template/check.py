"""Checks what an admin typed into a template, when it is saved: each problem with its place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from router.buyers.dialect import Endpoint, Problem
from router.buyers.template.fill import BODY_FORMATS, placeholders_problem
from router.buyers.template.places import place_problem

METHODS = ("GET", "POST", "PUT")
KINDS = ("json", "xml")
UNITS = {"dollars": 1_000_000, "cents": 10_000, "micros": 1}
MAXIMUM_HEADERS = 20
MAXIMUM_TEMPLATE = 8_000
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_HEADER_TEXT = re.compile(r"[\x20-\x7e]{0,1000}")
_OWN_HEADERS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "upgrade"}
)
REQUEST_SETTINGS = {"method", "url", "headers", "body_format", "body"}
BID_PLACES = {
    "amount",
    "number",
    "sip",
    "expires_in_seconds",
    "expires_at",
    "minimum_seconds",
    "reference",
    "refusal",
}
POST_PLACES = {"accepted", "number", "sip", "refusal"}


def settings_problems(endpoint: Endpoint) -> list[Problem]:
    """Return everything that cannot be right about a template."""
    settings = endpoint.settings
    found = list(_unknown(settings, {"ping", "bid", "post", "posted"}, "settings"))
    found += _url_problems(endpoint.url, "url")
    found += _request_problems(settings.get("ping"), "settings.ping")
    found += _answer_problems(settings.get("bid"), "settings.bid", BID_PLACES, {"amount"}, {"format", "unit"})
    if (settings.get("post") is None) != (settings.get("posted") is None):
        found.append("settings.posted: a post needs a way to read its answer, and the reverse")
    elif settings.get("post") is not None:
        found += _request_problems(settings["post"], "settings.post")
        found += _answer_problems(
            settings["posted"], "settings.posted", POST_PLACES, {"accepted"}, {"format", "accepted_text"}
        )
    return found


def _request_problems(value: Any, place: str) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield f"{place}: must be an object"
        return
    yield from _unknown(value, REQUEST_SETTINGS, place)
    if value.get("method", "POST") not in METHODS:
        yield f"{place}.method: not one of {', '.join(METHODS)}"
    if "url" in value:
        yield from _url_problems(value["url"], f"{place}.url")
    yield from _headers_problems(value.get("headers", {}), f"{place}.headers")
    yield from _body_problems(value.get("body_format", "none"), value.get("body"), place)


def _url_problems(url: Any, place: str) -> Iterator[Problem]:
    yield from _text_problems(url, place)
    if isinstance(url, str) and "{" in "".join(url.split("/", 3)[:3]):
        yield f"{place}: a placeholder cannot stand in the host"


def _headers_problems(headers: Any, place: str) -> Iterator[Problem]:
    if not isinstance(headers, dict) or len(headers) > MAXIMUM_HEADERS:
        yield f"{place}: must be an object of at most {MAXIMUM_HEADERS} headers"
        return
    for name, text in headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS:
            yield f"{place}.{name}: not a header that can be set"
        if not isinstance(text, str) or not _HEADER_TEXT.fullmatch(text):
            yield f"{place}.{name}: must be one line of plain text"
        else:
            yield from _text_problems(text, f"{place}.{name}")


def _body_problems(body_format: Any, body: Any, place: str) -> Iterator[Problem]:
    if body_format not in BODY_FORMATS:
        yield f"{place}.body_format: not one of {', '.join(BODY_FORMATS)}"
    elif body_format == "none":
        if body is not None:
            yield f"{place}.body: given, but body_format is none"
    elif body_format == "xml":
        yield from _text_problems(body, f"{place}.body")
        yield from _secret_problems([body] if isinstance(body, str) else [], f"{place}.body")
    elif not isinstance(body, dict):
        yield f"{place}.body: must be an object"
    elif body_format == "form" and not all(isinstance(text, str) for text in body.values()):
        yield f"{place}.body: a form's fields must be text"
    else:
        texts = list(_strings(body))
        yield from _text_problems(json.dumps(texts), f"{place}.body", every=texts)
        yield from _secret_problems(texts, f"{place}.body")


def _secret_problems(texts: list[str], place: str) -> Iterator[Problem]:
    """Bodies are stored and shown, and what a body may say is for many to change."""
    if any("{secret}" in text for text in texts):
        yield f"{place}: {{secret}} goes into a header or the address, never into a body"


def _text_problems(text: Any, place: str, *, every: list[str] | None = None) -> Iterator[Problem]:
    if not isinstance(text, str) or not 0 < len(text) <= MAXIMUM_TEMPLATE:
        yield f"{place}: must be text of 1 to {MAXIMUM_TEMPLATE} characters"
        return
    for part in every if every is not None else [text]:
        problem = placeholders_problem(part)
        if problem:
            yield f"{place}: {problem}"


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _answer_problems(
    value: Any, place: str, places: set[str], needed: set[str], others: set[str]
) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield f"{place}: must be an object"
        return
    yield from _unknown(value, places | others, place)
    kind = value.get("format", "json")
    if kind not in KINDS:
        yield f"{place}.format: not one of {', '.join(KINDS)}"
        return
    if value.get("unit", "dollars") not in UNITS:
        yield f"{place}.unit: not one of {', '.join(UNITS)}"
    if not isinstance(value.get("accepted_text", "true"), str):
        yield f"{place}.accepted_text: must be text"
    yield from (f"{place}.{name}: missing" for name in sorted(needed - set(value)))
    for name in sorted(places & set(value)):
        problem = place_problem(value[name], kind)
        if problem:
            yield f"{place}.{name}: {problem}"


def _unknown(value: Mapping[str, Any], known: set[str], place: str) -> Iterator[Problem]:
    for name in value:
        if name not in known:
            yield f"{place}.{name}: not one of {', '.join(sorted(known))}"
