"""Judging a plan at once says of each target what judging it alone says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.domain.auction import AuctionWanted
from router.domain.counts import Counts, EarlierCall, Facts, History, Turn
from router.domain.decide import decide
from router.domain.decision import Offer, RouteRequest
from router.domain.eligibility import judge, situation_of
from router.domain.plan import plan_of
from router.domain.verdicts import FEW_TARGETS, judge_all
from router.replay import replay
from tests.router.domain.test_decide_properties import markets, requests
from tests.router.markets import TUESDAY_NOON, snapshot_of

ids = st.integers(1, 8)
filters = st.sampled_from(
    [
        None,
        {"fact": "credit_score", ">=": 620},
        {"all": [{"fact": "credit_score", "<": 700}, {"fact": "state", "in": ["OH", "KS"]}]},
        {"all": [{"fact": "loan_type", "=": "purchase"}, {"not": {"fact": "credit_score", "<=": 640}}]},
        {"any": [{"fact": "time", "between": ["08:00", "12:00"]}, {"fact": "credit_score", ">": 640}]},
        {"any": [{"fact": "credit_score", "<": 600}, {"fact": "state", "in": ["OH", "KS"]}]},
        {"any": [{"fact": "credit_score", ">=": 700}, {"fact": "credit_score", ">=": 620}]},
        {
            "all": [
                {"any": [{"fact": "credit_score", ">": 650}, {"fact": "state", "=": "OH"}]},
                {"any": [{"fact": "equity", "<=": "50000"}, {"fact": "loan_type", "=": "purchase"}]},
                {"fact": "weekday", "in": ["mon", "tue", "thu"]},
            ]
        },
    ]
)
caps = st.builds(
    lambda owner, owner_id, kind, period, at_most: {
        "id": 1,
        "owner": owner,
        "owner_id": owner_id,
        "kind": kind,
        "period": None if kind in ("concurrency", "spacing") else period,
        "at_most": at_most,
        "range_name": None,
    },
    st.sampled_from(["target", "buyer", "campaign", "publisher", "group"]),
    st.integers(1, 4),
    st.sampled_from(["concurrency", "attempts", "connections", "conversions", "revenue", "spacing"]),
    st.sampled_from(["hour", "day", "week", "month", "total"]),
    st.integers(0, 3),
)


@st.composite
def talkative_callers(draw: st.DrawFn) -> RouteRequest:
    """Some say how good their credit is and what their home is worth."""
    request = draw(requests)
    told = {
        "credit_score": draw(st.sampled_from(["", "599", "600", "620", "650", "651", "700", "good"])),
        "home_value": draw(st.sampled_from(["", "200000", "$250,000.00"])),
        "loan_balance": draw(st.sampled_from(["", "150000", "200000"])),
    }
    return replace(request, tags={**request.tags, **{name: said for name, said in told.items() if said}})


@st.composite
def fuller_markets(draw: st.DrawFn) -> dict[str, Any]:
    market = draw(markets())
    for target in market["targets"]:
        target["filters"] = draw(filters)
    for number, stage in enumerate(market["campaigns"][0]["stages"], 1):
        stage["id"] = number
        stage["method"] = draw(st.sampled_from(["priority", "round_robin", "weighted", "best_value"]))
        stage["attempts"] = draw(st.sampled_from([None, 1]))
        stage["simultaneous"] = draw(st.sampled_from([1, 1, 3]))
    known = {row["id"] for row in market["buyers"]}
    market["licences"] = [row for row in market["licences"] if row["buyer_id"] in known]
    market["caps"] = draw(st.lists(caps, max_size=6))
    market["groups"] = [{"id": 1, "time_zone": "UTC", "targets": [1, 2, 3]}]
    market["terms"] = [
        {
            "buyer_id": buyer["id"],
            "campaign_id": 1,
            "goes_live_at": "2020-01-01T00:00:00+00:00",
            "price_micros": buyer["id"] * 1_000_000,
        }
        for buyer in market["buyers"]
    ]
    return market


@st.composite
def fuller_counts(draw: st.DrawFn, market: dict[str, Any]) -> Counts:
    keys = [
        ":".join(
            [cap["owner"], str(cap["owner_id"]), cap["kind"]]
            + ([cap["period"]] if cap["period"] else [])
            + (["cap"] if (cap["owner"], cap["kind"]) == ("target", "concurrency") else [])
        )
        for cap in market["caps"]
    ]
    now_ms = int(TUESDAY_NOON.timestamp() * 1000)
    used = {
        key: now_ms if "spacing" in key else draw(st.integers(0, 4)) * (10**6 if "revenue" in key else 1)
        for key in keys
    }
    earlier = EarlierCall(
        call_id="c",
        campaign_id=1,
        buyer_id=2,
        target_id=2,
        started_at=TUESDAY_NOON,
        connected=True,
        converted=True,
    )
    return Counts(
        concurrency=draw(st.dictionaries(ids, st.integers(0, 4))),
        used=used,
        turns={1: Turn(turn=3, reached=2, passes=draw(st.dictionaries(ids, st.integers(0, 5))))},
        history={
            one: History(last_offered_ms=draw(st.integers(0, 2)), connected=3, converted=1) for one in (1, 2)
        },
        facts=Facts(
            suppressed_buyers=draw(st.frozensets(st.integers(1, 4), max_size=1)),
            wallet_micros=draw(st.dictionaries(st.integers(1, 4), st.integers(0, 3_000_000), max_size=2)),
            earlier_calls=draw(st.sampled_from([(), (earlier,)])),
        ),
    )


@given(
    data=st.data(),
    document=fuller_markets(),
    request=talkative_callers(),
    few=st.sampled_from([0, FEW_TARGETS]),
)
@settings(max_examples=200)
def test_all_at_once_is_one_by_one(
    data: st.DataObject, document: dict[str, Any], request: RouteRequest, few: int
) -> None:
    """Whether the caps of those who are left are looked at, or every counter of the plan (`few` is nought)."""
    counts = data.draw(fuller_counts(document))
    snapshot = snapshot_of(document)
    campaign = snapshot.campaigns[1]
    situation = situation_of(snapshot, campaign, request, counts)
    plan = plan_of(snapshot, campaign)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("router.domain.verdicts.FEW_TARGETS", few)
        verdicts = judge_all(plan, situation)
    for bit, target in enumerate(plan.targets):
        alone = judge(target, situation)
        assert bool(verdicts.eligible >> bit & 1) == isinstance(alone, Offer), (target.id, alone)


@given(data=st.data(), document=fuller_markets(), request=talkative_callers())
@settings(max_examples=100)
def test_every_method_can_be_replayed(
    data: st.DataObject, document: dict[str, Any], request: RouteRequest
) -> None:
    snapshot = snapshot_of(document)
    decision = decide(snapshot, request, data.draw(fuller_counts(document)))
    assert not isinstance(decision, AuctionWanted)
    assert replay(decision.to_json(), snapshot).to_bytes() == decision.to_bytes()
