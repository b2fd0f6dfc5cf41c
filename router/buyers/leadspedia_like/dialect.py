"""The older lead-market form: fields in a form, `result` in the answer, and a ping id that the post names."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from router.buyers.dialect import (
    Dialect,
    Endpoint,
    HttpAnswer,
    HttpRequest,
    Offered,
    Problem,
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
    read_object,
    read_reference,
    read_seconds_as_ms,
    read_text,
)

SETTINGS = ("campaign_id", "campaign_key")


def make_ping(endpoint: Endpoint, question: Question) -> HttpRequest:
    return _form(endpoint, question, {"lp_action": "ping"})


def read_bid(endpoint: Endpoint, question: Question, answer: HttpAnswer) -> Offered | Refused:
    if is_silence(answer):
        return Refused(detail="no bid")
    value = _successful(answer)
    if isinstance(value, Refused):
        return value
    amount = read_micros(value.get("price"), "price")
    if amount == 0:
        return Refused(detail="a bid of nothing")
    reference = read_reference(value.get("ping_id"), "ping_id")
    if not reference:
        raise Unreadable("ping_id: missing, the post could not name the bid")
    return Offered(
        bid_micros=amount,
        minimum_connected_ms=read_seconds_as_ms(value.get("duration"), "duration"),
        expires_at=read_expiry(value.get("expires_in"), None, question.now, "expires_in"),
        dial=read_dial_of([("number", value.get("number"))]),
        reference=reference,
    )


def make_post(endpoint: Endpoint, question: Question, reference: str) -> HttpRequest:
    return _form(endpoint, question, {"lp_action": "post", "ping_id": reference})


def read_post(endpoint: Endpoint, question: Question, answer: HttpAnswer) -> Offered | Refused:
    value = _successful(answer)
    if isinstance(value, Refused):
        return value
    return Offered(dial=read_dial_of([("number", value.get("number"))]))


def problems(endpoint: Endpoint) -> list[Problem]:
    given = endpoint.settings
    found = [f"settings.{name}: not one of {', '.join(SETTINGS)}" for name in given if name not in SETTINGS]
    found += [
        f"settings.{name}: must be text"
        for name in SETTINGS
        if not (isinstance(given.get(name), str) and given[name])
    ]
    return found


def _form(endpoint: Endpoint, question: Question, more: dict[str, str]) -> HttpRequest:
    fields = {
        **question.answers,
        **more,
        "lp_campaign_id": endpoint.settings["campaign_id"],
        "lp_campaign_key": endpoint.settings["campaign_key"],
    }
    if question.state is not None:
        fields["state"] = question.state
    if question.caller is not None:
        fields["phone"] = question.caller
    if question.caller_hash is not None:
        fields["phone_hash"] = question.caller_hash
    if question.hops:
        fields["hops"] = ",".join(question.hops)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    return HttpRequest(
        method="POST", url=endpoint.url, headers=headers, body=urlencode(sorted(fields.items())).encode()
    )


def _successful(answer: HttpAnswer) -> dict[str, Any] | Refused:
    must_be_success(answer)
    value = read_object(answer)
    result = value.get("result")
    if result == "success":
        return value
    if not isinstance(result, str) or not result:
        raise Unreadable("result: missing")
    return Refused(detail=read_text(value.get("msg")) or read_text(result))


DIALECT = Dialect(
    name="leadspedia_like",
    make_ping=make_ping,
    read_bid=read_bid,
    make_post=make_post,
    read_post=read_post,
    problems=problems,
)
