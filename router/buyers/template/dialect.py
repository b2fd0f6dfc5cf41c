"""The dialect an admin fills in without code: request templates out, places in the answer back.

Settings: `ping` and, where there is one, `post` say what is sent (method, url, headers, body_format, body); `bid` and
`posted` say where in the answers the values stand. Without a `url` the endpoint's own is used.
"""

from __future__ import annotations

from typing import Any

from router.buyers.dialect import (
    Dialect,
    Endpoint,
    HttpAnswer,
    HttpRequest,
    Offered,
    Question,
    Refused,
    Unreadable,
)
from router.buyers.reading import (
    is_silence,
    must_be_success,
    read_dial_of,
    read_expiry,
    read_micros,
    read_reference,
    read_seconds_as_ms,
    read_text,
)
from router.buyers.template.check import UNITS, settings_problems
from router.buyers.template.fill import CONTENT_TYPES, fill_body, fill_header, fill_url, values_of
from router.buyers.template.places import finder


def make_ping(endpoint: Endpoint, question: Question) -> HttpRequest:
    return _request(endpoint, endpoint.settings["ping"], question, "")


def read_bid(endpoint: Endpoint, question: Question, answer: HttpAnswer) -> Offered | Refused:
    if is_silence(answer):
        return Refused(detail="no bid")
    must_be_success(answer)
    places = endpoint.settings["bid"]
    find = finder(answer, places.get("format", "json"))

    def at(name: str) -> Any:
        return find(places[name]) if name in places else None

    found = at("amount")
    if found in (None, ""):
        return Refused(detail=_reason(at("refusal")))
    unit = UNITS[places.get("unit", "dollars")]
    amount = read_micros(found, places["amount"], micros_per_unit=unit)
    if amount == 0:
        return Refused(detail=_reason(at("refusal")))
    return Offered(
        bid_micros=amount,
        minimum_connected_ms=read_seconds_as_ms(at("minimum_seconds"), "minimum_seconds"),
        expires_at=read_expiry(at("expires_in_seconds"), at("expires_at"), question.now, "expiry"),
        dial=read_dial_of([("sip", at("sip")), ("number", _as_text(at("number")))]),
        reference=read_reference(at("reference"), "reference"),
    )


def make_post(endpoint: Endpoint, question: Question, reference: str) -> HttpRequest | None:
    template = endpoint.settings.get("post")
    return None if template is None else _request(endpoint, template, question, reference)


def read_post(endpoint: Endpoint, question: Question, answer: HttpAnswer) -> Offered | Refused:
    must_be_success(answer)
    places = endpoint.settings["posted"]
    find = finder(answer, places.get("format", "json"))

    def at(name: str) -> Any:
        return find(places[name]) if name in places else None

    accepted = at("accepted")
    if accepted is None:
        raise Unreadable(f"{places['accepted']}: missing")
    if _spelled(accepted) != places.get("accepted_text", "true").lower():
        return Refused(detail=_reason(at("refusal")))
    return Offered(dial=read_dial_of([("sip", at("sip")), ("number", _as_text(at("number")))]))


def _request(endpoint: Endpoint, template: Any, question: Question, reference: str) -> HttpRequest:
    value = values_of(question, secret=endpoint.secret, reference=reference)
    bare = values_of(question, secret="", reference=reference)
    body_format = template.get("body_format", "none")
    own = {"Content-Type": CONTENT_TYPES[body_format]} if body_format in CONTENT_TYPES else {}
    headers = {name: fill_header(text, value) for name, text in template.get("headers", {}).items()}
    return HttpRequest(
        method=template.get("method", "POST"),
        url=fill_url(template.get("url", endpoint.url), value),
        headers={**own, **headers},
        body=fill_body(template.get("body"), body_format, bare),
    )


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, str | int) else ""


def _reason(value: Any) -> str:
    return read_text(value, "no bid") or "no bid"


DIALECT = Dialect(
    name="template",
    make_ping=make_ping,
    read_bid=read_bid,
    make_post=make_post,
    read_post=read_post,
    problems=settings_problems,
)
