"""Retreaver's reservations (FACTS 10): a POST reserves, a PUT to the reservation confirms and may still refuse."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from router.buyers.dialect import (
    JSON_HEADERS,
    Dialect,
    Endpoint,
    HttpAnswer,
    HttpRequest,
    Offered,
    Problem,
    Question,
    Refused,
    Unreadable,
    as_json,
)
from router.buyers.reading import (
    is_silence,
    must_be_success,
    read_dial_of,
    read_expiry,
    read_micros,
    read_object,
    read_reference,
    read_seconds_as_ms,
    read_text,
)

_UUID = re.compile(r"[A-Za-z0-9-]{1,64}")


def make_ping(endpoint: Endpoint, question: Question) -> HttpRequest:
    return _request(endpoint, "POST", endpoint.url, question)


def read_bid(endpoint: Endpoint, question: Question, answer: HttpAnswer) -> Offered | Refused:
    if is_silence(answer):
        return Refused(detail="no bid")
    must_be_success(answer)
    value = read_object(answer)
    if value.get("status") != "reserved":
        return _refused(value)
    amount = read_micros(value.get("retreaver_payout"), "retreaver_payout")
    if amount == 0:
        return Refused(detail="a bid of nothing")
    reference = read_reference(value.get("uuid"), "uuid")
    if not _UUID.fullmatch(reference):
        raise Unreadable("uuid: not an identifier that can stand in a URL")
    return Offered(
        bid_micros=amount,
        minimum_connected_ms=read_seconds_as_ms(value.get("retreaver_seconds"), "retreaver_seconds"),
        expires_at=read_expiry(None, value.get("expires_at"), question.now, "expires_at"),
        dial=read_dial_of([("inbound_number", value.get("inbound_number"))]),
        reference=reference,
    )


def make_post(endpoint: Endpoint, question: Question, reference: str) -> HttpRequest:
    parts = urlsplit(endpoint.url)
    url = urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{reference}"))
    return _request(endpoint, "PUT", url, question)


def read_post(endpoint: Endpoint, question: Question, answer: HttpAnswer) -> Offered | Refused:
    must_be_success(answer)
    value = read_object(answer)
    if value.get("status") != "confirmed":
        return _refused(value)
    return Offered(dial=read_dial_of([("inbound_number", value.get("inbound_number"))]))


def problems(endpoint: Endpoint) -> list[Problem]:
    return [f"settings.{name}: this dialect has no such setting" for name in endpoint.settings]


def _request(endpoint: Endpoint, method: str, url: str, question: Question) -> HttpRequest:
    values: dict[str, Any] = {**question.answers}
    if question.state is not None:
        values["caller_state"] = question.state
    if question.caller is not None:
        values["caller_number"] = question.caller
    if question.caller_hash is not None:
        values["caller_number_hash"] = question.caller_hash
    if question.hops:
        values["hops"] = ",".join(question.hops)
    headers = (
        {**JSON_HEADERS, "Authorization": f"Bearer {endpoint.secret}"} if endpoint.secret else JSON_HEADERS
    )
    body = as_json(values)
    return HttpRequest(method=method, url=url, headers=headers, body=body)


def _refused(value: dict[str, Any]) -> Refused:
    status = read_text(value.get("status"))
    if not status:
        raise Unreadable("status: missing")
    return Refused(detail=read_text(value.get("message")) or status)


DIALECT = Dialect(
    name="retreaver",
    make_ping=make_ping,
    read_bid=read_bid,
    make_post=make_post,
    read_post=read_post,
    problems=problems,
)
