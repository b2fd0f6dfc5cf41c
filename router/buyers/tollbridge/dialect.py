"""Our own dialect, for houses that run Tollbridge or read docs/ping-post.md: signed JSON both ways."""

from __future__ import annotations

from typing import Any

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
    must_be_success,
    object_at,
    read_dial_of,
    read_expiry,
    read_micros,
    read_object,
    read_reference,
    read_seconds_as_ms,
    read_text,
)
from router.buyers.tollbridge.signing import (
    LEAST_SECRET_CHARACTERS,
    SIGNATURE_HEADER,
    TIME_HEADER,
    sign,
    signed_by,
)

VERSION = 1


def make_ping(endpoint: Endpoint, question: Question) -> HttpRequest:
    body: dict[str, Any] = {
        "version": VERSION,
        "kind": "ping",
        "ping_id": question.ping_id,
        "campaign": question.campaign,
        "state": question.state,
        "answers": dict(question.answers),
        "hops": list(question.hops),
        "answer_within_ms": question.deadline_ms,
    }
    if question.caller is not None:
        body["caller"] = question.caller
    if question.caller_hash is not None:
        body["caller_hash"] = question.caller_hash
    return _signed(endpoint, question, body)


def read_bid(endpoint: Endpoint, question: Question, answer: HttpAnswer) -> Offered | Refused:
    value = _verified(endpoint, question, answer)
    if "refusal" in value:
        return Refused(detail=_refusal(value))
    bid = object_at(value, "bid")
    amount = read_micros(bid.get("amount"), "bid.amount")
    if amount == 0:
        return Refused(detail="a bid of nothing")
    return Offered(
        bid_micros=amount,
        minimum_connected_ms=read_seconds_as_ms(bid.get("minimum_seconds"), "bid.minimum_seconds"),
        expires_at=read_expiry(bid.get("expires_in_seconds"), None, question.now, "bid.expires_in_seconds"),
        dial=read_dial_of([("bid.dial", bid.get("dial"))]),
        reference=read_reference(bid.get("reference"), "bid.reference"),
    )


def make_post(endpoint: Endpoint, question: Question, reference: str) -> HttpRequest:
    body = {
        "version": VERSION,
        "kind": "post",
        "ping_id": question.ping_id,
        "reference": reference,
        "caller": question.caller,
        "hops": list(question.hops),
        "answer_within_ms": question.deadline_ms,
    }
    return _signed(endpoint, question, body)


def read_post(endpoint: Endpoint, question: Question, answer: HttpAnswer) -> Offered | Refused:
    value = _verified(endpoint, question, answer)
    accepted = value.get("accepted")
    if not isinstance(accepted, bool):
        raise Unreadable("accepted: neither true nor false")
    if not accepted:
        return Refused(detail=_refusal(value))
    return Offered(dial=read_dial_of([("dial", value.get("dial"))]))


def problems(endpoint: Endpoint) -> list[Problem]:
    found = [f"settings.{name}: this dialect has no such setting" for name in endpoint.settings]
    if len(endpoint.secret) < LEAST_SECRET_CHARACTERS:
        found.append(f"secret: shorter than {LEAST_SECRET_CHARACTERS} characters")
    return found


def _signed(endpoint: Endpoint, question: Question, body: dict[str, Any]) -> HttpRequest:
    spelled = as_json(body)
    time = str(int(question.now.timestamp()))
    signature = sign(endpoint.secret, time, spelled)
    headers = {**JSON_HEADERS, TIME_HEADER: time, SIGNATURE_HEADER: signature}
    return HttpRequest(method="POST", url=endpoint.url, headers=headers, body=spelled)


def _verified(endpoint: Endpoint, question: Question, answer: HttpAnswer) -> dict[str, Any]:
    must_be_success(answer)
    signature = answer.headers.get(SIGNATURE_HEADER.lower(), "")
    # Bound to the ping: the answer to one question cannot be given to another.
    if not signed_by(endpoint.secret, question.ping_id, answer.body, signature):
        raise Unreadable("wrong signature" if signature else "no signature")
    return read_object(answer)


def _refusal(value: dict[str, Any]) -> str:
    code = read_text(value.get("refusal"), "refused") or "refused"
    detail = read_text(value.get("detail"))
    return f"{code}: {detail}" if detail else code


DIALECT = Dialect(
    name="tollbridge",
    make_ping=make_ping,
    read_bid=read_bid,
    make_post=make_post,
    read_post=read_post,
    problems=problems,
)
