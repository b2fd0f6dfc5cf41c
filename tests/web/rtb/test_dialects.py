"""Every dialect against its case files: what a publisher sends, what we understand, what it is answered.

A case under `exemplary` is how it should be; one under `supplemental` is what publishers also send. A dialect without
both fails here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from router.domain.inbound_bid import BidRefusal, InboundBid, InboundPing, NoBid
from web.rtb.body import read_fields
from web.rtb.dialects import DIALECTS
from web.rtb.shapes import Handover, PingProblem, read_tags

CASES = Path(__file__).parent / "cases"
NOW = datetime(2026, 11, 24, 15, 0, 0, tzinfo=UTC)
PING_ID = UUID("0f0e0d0c-0b0a-4908-8706-050403020100")


def cases() -> list[Any]:
    files = sorted(CASES.glob("*/*/*.json"))
    return [pytest.param(file, id="/".join(file.with_suffix("").parts[-3:])) for file in files]


def test_every_dialect_has_cases_of_both_kinds() -> None:
    for name in DIALECTS:
        for kind in ("exemplary", "supplemental"):
            assert list((CASES / name / kind).glob("*.json")), f"{name} has no {kind} case"
    assert {folder.name for folder in CASES.iterdir()} == set(DIALECTS)


@pytest.mark.parametrize("file", cases())
def test_case(file: Path) -> None:
    case = json.loads(file.read_text())
    dialect = DIALECTS[file.parts[-3]]
    asked = case["request"]
    body = asked.get("body", "")
    raw = (body if isinstance(body, str) else json.dumps(body)).encode()
    fields = read_fields(asked.get("query", ""), asked.get("content_type", "application/json"), raw)
    assert _understood(dialect.name, fields) == case["understood"]
    if "outcome" in case:
        outcome = _outcome(case["outcome"])
        if case.get("confirms"):
            assert dialect.write_confirmation is not None
            answer = dialect.write_confirmation(outcome, NOW)
        elif isinstance(outcome, InboundBid):
            answer = dialect.write_bid(outcome, NOW)
        else:
            answer = dialect.write_refusal(outcome)
        written = {"status": answer.status, "body": json.loads(json.dumps(answer.body))}
        assert written == case["answer"]


def _understood(name: str, fields: Mapping[str, Any] | PingProblem) -> dict[str, Any]:
    dialect = DIALECTS[name]
    if isinstance(fields, PingProblem):
        return {"problem": fields.reason.value, "detail": fields.detail}
    handover = dialect.read_handover(fields) if dialect.read_handover else None
    asked: Handover | InboundPing | PingProblem = handover or dialect.read_ping(fields)
    if isinstance(asked, PingProblem):
        return {"problem": asked.reason.value, "detail": asked.detail}
    if isinstance(asked, Handover):
        return {"handover": str(asked.reservation_id), "caller": asked.caller}
    understood: dict[str, Any] = {"caller": asked.caller, "tags": dict(asked.tags)}
    if asked.hops:
        understood["hops"] = list(asked.hops)
    if asked.least_bid_micros:
        understood["least_bid_micros"] = asked.least_bid_micros
    return understood


def _outcome(value: Mapping[str, Any]) -> InboundBid | NoBid:
    if "refusal" in value:
        return NoBid(ping_id=PING_ID, reason=BidRefusal(value["refusal"]), detail=value.get("detail", ""))
    return InboundBid(
        reservation_id=PING_ID,
        caller="+16145550123",
        number="+18005550100",
        payout_micros=value["payout_micros"],
        minimum_connected_ms=value.get("minimum_connected_ms", 90_000),
        expires_at=datetime.fromisoformat(value.get("expires_at", "2026-11-24T15:01:00+00:00")),
        confirmed=value.get("confirmed", True),
        repeated=value.get("repeated", False),
    )


def test_answers_count_as_they_travel_and_too_many_are_refused_with_a_sentence() -> None:
    refused = read_tags({f"answer_{number}": '"' * 190 for number in range(5)})
    assert isinstance(refused, PingProblem) and refused.reason is BidRefusal.MALFORMED
    assert refused.detail == "1,971 bytes of answers; at most 1,000 are taken"
