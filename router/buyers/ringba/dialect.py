"""Ringba's real-time bidding (FACTS 10): one question, the bid names the number to ring, there is no post.

A bidder of this kind expects the call from the caller ID that was pinged: where the contract does not show it, the
hash goes along as a tag, and many will refuse with code 1100.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

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

METHODS = ("POST", "GET")


def make_ping(endpoint: Endpoint, question: Question) -> HttpRequest:
    values = dict(question.answers)
    if question.state is not None:
        values["state"] = question.state
    if question.hops:
        values["hops"] = ",".join(question.hops)
    if question.caller is not None:
        values |= {"CID": question.caller, "exposeCallerId": "yes"}
    else:
        values["exposeCallerId"] = "no"
        if question.caller_hash is not None:
            values["callerIdHash"] = question.caller_hash
    if endpoint.settings.get("method", "POST") == "GET":
        url = _with_query(endpoint.url, values)
        return HttpRequest(method="GET", url=url, headers={"Accept": "application/json"})
    body = as_json(values)
    return HttpRequest(method="POST", url=endpoint.url, headers=JSON_HEADERS, body=body)


def read_bid(endpoint: Endpoint, question: Question, answer: HttpAnswer) -> Offered | Refused:
    if is_silence(answer):
        return Refused(detail="no bid")
    must_be_success(answer)
    value = read_object(answer)
    amount = read_micros(value.get("bidAmount"), "bidAmount")
    if amount == 0:
        return Refused(detail=read_text(value.get("rejectReason"), "no bid") or "no bid")
    no_plus = value.get("phoneNumberNoPlus")
    return Offered(
        bid_micros=amount,
        minimum_connected_ms=_minimum(value.get("bidTerms")),
        expires_at=read_expiry(
            value.get("expireInSeconds"), value.get("bidExpireEpoch"), question.now, "expireInSeconds"
        ),
        dial=read_dial_of(
            [
                ("sipAddress", _as_uri(value.get("sipAddress"))),
                ("phoneNumber", value.get("phoneNumber")),
                ("phoneNumberNoPlus", no_plus),
            ]
        ),
        reference=read_reference(value.get("bidId"), "bidId"),
    )


def make_post(endpoint: Endpoint, question: Question, reference: str) -> None:
    """Winning is enough: the call itself is the post."""
    return


def read_post(endpoint: Endpoint, question: Question, answer: HttpAnswer) -> Offered | Refused:
    raise Unreadable("this dialect has no post")


def problems(endpoint: Endpoint) -> list[Problem]:
    known = {"method"}
    found = [
        f"settings.{name}: not one of {', '.join(known)}" for name in endpoint.settings if name not in known
    ]
    if endpoint.settings.get("method", "POST") not in METHODS:
        found.append(f"settings.method: not one of {', '.join(METHODS)}")
    return found


def _minimum(terms: object) -> int | None:
    """The longest of the terms' minimum durations: only then the whole bid is paid."""
    if terms is None:
        return None
    if not isinstance(terms, list) or not all(isinstance(term, dict) for term in terms):
        raise Unreadable("bidTerms: not a list of objects")
    found = [
        read_seconds_as_ms(term.get("callMinDuration"), f"bidTerms[{place}].callMinDuration")
        for place, term in enumerate(terms)
    ]
    return max((ms for ms in found if ms is not None), default=None)


def _as_uri(value: object) -> object:
    return (
        f"sip:{value}" if isinstance(value, str) and value and not value.lower().startswith("sip:") else value
    )


def _with_query(url: str, values: dict[str, str]) -> str:
    parts = urlsplit(url)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *sorted(values.items())])
    return urlunsplit(parts._replace(query=query))


DIALECT = Dialect(
    name="ringba",
    make_ping=make_ping,
    read_bid=read_bid,
    make_post=make_post,
    read_post=read_post,
    problems=problems,
)
