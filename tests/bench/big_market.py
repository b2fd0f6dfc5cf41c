"""A market as big as the bars ask for: 10,000 targets, 50 states, 200 campaigns, plans of 300 targets."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from router.domain.counts import Counts, Facts, History
from router.domain.decision import RouteRequest
from router.domain.market import LOAN_TYPES
from rules.places import STATE_CODES

Document = dict[str, Any]

TARGETS, BUYERS, CAMPAIGNS, PLAN_TARGETS = 10_000, 2_500, 200, 300
STATES_EACH = 10
ZONES = ("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles")
METHODS = ("priority", "best_value", "weighted")
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
LONG_AGO = "2020-01-01T00:00:00+00:00"


def big_market(seed: int = 7) -> Document:
    """Return the market document. The same seed gives the same market."""
    chance = random.Random(seed)
    buyers = [_buyer(number) for number in range(1, BUYERS + 1)]
    targets = [_target(number, chance) for number in range(1, TARGETS + 1)]
    campaigns = [_campaign(number, chance) for number in range(1, CAMPAIGNS + 1)]
    caps = [cap for target in targets for cap in _caps(target, chance)]
    return {
        "format": 2,
        "numbers": [
            {
                "id": number,
                "e164": f"+1800555{number:04d}",
                "campaign_id": number,
                "publisher_id": 1,
                "enabled": True,
            }
            for number in range(1, CAMPAIGNS + 1)
        ],
        "publishers": [{"id": 1, "time_zone": ZONES[0]}],
        "groups": [],
        "blocked_callers": [],
        "payouts": [],
        "flows": {"mortgage": {"version": 1, "definition": {"start": "hello"}}},
        "campaigns": campaigns,
        "buyers": buyers,
        "targets": targets,
        "licences": _licences(chance),
        "terms": [_terms(buyer, campaign) for campaign in campaigns[:2] for buyer in buyers],
        "caps": [{"id": number, **cap} for number, cap in enumerate(caps, 1)],
        "area_codes": {"614": ["OH"]},
        "area_codes_source": "test",
    }


def _buyer(number: int) -> Document:
    return {
        "id": number,
        "name": f"buyer {number}",
        "enabled": True,
        "nmls_id": str(number),
        "time_zone": ZONES[number % 4],
        "credit_limit_micros": None,
    }


def _target(number: int, chance: random.Random) -> Document:
    opens = chance.randrange(6, 11)
    return {
        "id": number,
        "buyer_id": (number - 1) % BUYERS + 1,
        "name": f"desk {number}",
        "sip_uri": f"sip:desk{number}@127.0.0.1:5080",
        "loan_types": chance.sample(LOAN_TYPES, chance.randrange(2, 5)),
        "schedule": {
            "time_zone": chance.choice(ZONES),
            "ranges": [
                {"days": [0, 1, 2, 3, 4], "from": f"{opens:02d}:00", "to": f"{opens + 10:02d}:30"},
                {"days": [5], "from": "10:00", "to": f"{chance.randrange(13, 18)}:00"},
            ],
        },
        "concurrency_cap": chance.randrange(1, 6),
        "ring_timeout_seconds": 20,
        "enabled": chance.random() > 0.02,
        "filters": {
            "all": [
                {"fact": "credit_score", ">=": chance.randrange(560, 720)},
                {"fact": "home_value", ">=": f"{chance.randrange(100, 300) * 1000}.00"},
                {
                    "any": [
                        {"fact": "timeline", "in": ["now", "1-3 months"]},
                        {"fact": "equity", ">": f"{chance.randrange(10, 90) * 1000}.00"},
                    ]
                },
            ]
        },
        "press_to_accept": False,
        "whisper_text": None,
        "recovery_seconds": None,
    }


def _caps(target: Document, chance: random.Random) -> list[Document]:
    own = {"owner": "target", "owner_id": target["id"], "range_name": None}
    return [
        {**own, "kind": "conversions", "period": "day", "at_most": chance.randrange(20, 60)},
        {**own, "kind": "attempts", "period": "hour", "at_most": chance.randrange(20, 60)},
    ]


def _licences(chance: random.Random) -> list[Document]:
    rows: list[Document] = []
    for buyer in range(1, BUYERS + 1):
        for state in chance.sample(STATE_CODES, STATES_EACH):
            for product in LOAN_TYPES:
                rows.append(
                    {
                        "id": len(rows) + 1,
                        "buyer_id": buyer,
                        "nmls_id": str(buyer),
                        "state": state,
                        "product": product,
                        "valid_from": "2020-01-01",
                        "valid_to": None if chance.random() > 0.3 else "2026-12-31",
                        "status": "active",
                        "officer_name": None,
                        "officer_nmls_id": None,
                    }
                )
    return rows


def _terms(buyer: Document, campaign: Document) -> Document:
    return {
        "buyer_id": buyer["id"],
        "campaign_id": campaign["id"],
        "goes_live_at": LONG_AGO,
        "price_micros": (20 + buyer["id"] % 60) * 1_000_000,
        "minimum_connected_ms": 90_000,
    }


def _campaign(number: int, chance: random.Random) -> Document:
    chosen = chance.sample(range(1, TARGETS + 1), PLAN_TARGETS)
    return {
        "id": number,
        "name": f"campaign {number}",
        "flow_name": "mortgage",
        "duplicate_window_seconds": 2_592_000,
        "maximum_attempts": 5,
        "enabled": True,
        "time_zone": ZONES[0],
        "duplicate_policy": None,
        "no_buyer": {},
        "exclusive": True,
        "stages": [
            {
                "id": number * 10 + position,
                "position": position,
                "method": method,
                "ring_timeout_seconds": None,
                "attempts": None,
                "simultaneous": 1,
                "deadline_ms": 500,
                "floor_micros": 0,
                "margin_micros": 0,
                "entries": [
                    [target, place % 10, 1 + place % 5]
                    for place, target in enumerate(chosen[position * 100 : (position + 1) * 100])
                ],
            }
            for position, method in enumerate(METHODS)
        ],
    }


def some_requests(count: int, seed: int = 11) -> list[RouteRequest]:
    """Callers of every state and wish, spread over a week."""
    chance = random.Random(seed)
    return [
        RouteRequest(
            call_id=f"00000000-0000-4000-8000-{number:012d}",
            campaign_id=chance.randrange(1, CAMPAIGNS + 1),
            caller=f"+1614{chance.randrange(2_000_000, 9_999_999)}",
            tags={
                "loan_type": chance.choice(LOAN_TYPES),
                "state": chance.choice(STATE_CODES),
                "credit_score": str(chance.randrange(500, 820)),
                "home_value": f"{chance.randrange(80, 900) * 1000}.00",
                "loan_balance": f"{chance.randrange(10, 400) * 1000}.00",
                "timeline": chance.choice(("now", "1-3 months", "later")),
            },
            now=MONDAY + timedelta(seconds=chance.randrange(7 * 86_400)),
            publisher_id=1,
            dialled="+18005550001",
        )
        for number in range(count)
    ]


def counts_of(document: Document, campaign_id: int, seed: int = 13) -> Counts:
    """Every counter of the plan in use, a tenth of them full."""
    chance = random.Random(seed + campaign_id)
    campaign = document["campaigns"][campaign_id - 1]
    plan = [target for stage in campaign["stages"] for target, *_ in stage["entries"]]
    used: dict[str, int] = {}
    for target in plan:
        used[f"target:{target}:conversions:day"] = chance.randrange(1, 40)
        used[f"target:{target}:attempts:hour"] = chance.randrange(1, 40)
    return Counts(
        concurrency={target: chance.randrange(0, 4) for target in plan},
        used=used,
        history={
            target: History(
                last_offered_ms=chance.randrange(10**12), connected=chance.randrange(200), converted=40
            )
            for target in plan
        },
        facts=Facts(),
    )
