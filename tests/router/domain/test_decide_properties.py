"""What holds for every market and every call, however odd."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from router.domain.counts import Counts
from router.domain.decide import decide
from router.domain.decision import RejectionCode, RouteRequest
from router.domain.licences import in_force
from router.domain.market import LOAN_TYPES
from router.replay import replay
from rules.schedule import always_open
from tests.router.markets import OFFICE_HOURS, a_campaign, a_licence, a_market, a_target, snapshot_of

STATES = ("OH", "KS", "MO")
ZONES = ("America/New_York", "America/Los_Angeles", "Pacific/Honolulu")
ids = st.integers(1, 8)
days = st.dates(date(2026, 2, 25), date(2026, 3, 10))

schedules = st.one_of(
    st.sampled_from(ZONES).map(always_open),
    st.sampled_from(ZONES).map(lambda zone: {**OFFICE_HOURS, "time_zone": zone}),
    st.just({"time_zone": "nowhere", "ranges": []}),
)
target_changes = st.fixed_dictionaries(
    {
        "buyer_id": st.integers(1, 4),
        "loan_types": st.lists(st.sampled_from(LOAN_TYPES), unique=True, min_size=1),
        "schedule": schedules,
        "concurrency_cap": st.integers(0, 3),
        "enabled": st.sampled_from([True, True, True, False]),
    }
)
licence_changes = st.fixed_dictionaries(
    {
        "buyer_id": st.integers(1, 4),
        "state": st.sampled_from(STATES),
        "product": st.sampled_from(LOAN_TYPES),
        "valid_from": days.map(str),
        "valid_to": st.one_of(st.none(), days.map(str)),
        "status": st.sampled_from(["active", "active", "expired"]),
    }
)
stages = st.lists(
    st.lists(st.tuples(ids, st.integers(0, 2)), unique_by=lambda entry: entry[0], max_size=8), max_size=3
)


@st.composite
def markets(draw: st.DrawFn) -> dict[str, Any]:
    targets = [a_target(target_id, **draw(target_changes)) for target_id in range(1, 9)]
    found: list[dict[str, Any]] = draw(st.lists(licence_changes, max_size=30))
    licences = [
        a_licence(fields.pop("buyer_id"), licence_id=number, **fields)
        for number, fields in enumerate(found, 1)
    ]
    return a_market(targets, licences, a_campaign(draw(stages), maximum_attempts=draw(st.integers(0, 4))))


requests = st.builds(
    RouteRequest,
    call_id=st.uuids().map(str),
    campaign_id=st.sampled_from([1, 1, 1, 2]),
    caller=st.one_of(st.none(), st.just("+16145550123")),
    tags=st.fixed_dictionaries(
        {},
        optional={
            "loan_type": st.sampled_from(LOAN_TYPES),
            "state": st.sampled_from(STATES),
            "state_candidates": st.sampled_from(["OH", "MO-KS", ""]),
            "note": st.text(max_size=5),
        },
    ),
    tried=st.lists(ids, max_size=3, unique=True).map(tuple),
    now=st.datetimes(
        datetime(2026, 2, 26), datetime(2026, 3, 9), timezones=st.sampled_from([UTC, *map(ZoneInfo, ZONES)])
    ),
)
counts_seen = st.dictionaries(ids, st.integers(0, 4)).map(lambda used: Counts(concurrency=used))


@given(document=markets(), request=requests, counts=counts_seen)
def test_every_target_of_the_plan_is_chosen_or_rejected_exactly_once(
    document: dict[str, Any], request: RouteRequest, counts: Counts
) -> None:
    decision = decide(snapshot_of(document), request, counts)
    plan = {target for stage in document["campaigns"][0]["stages"] for target, _ in stage["entries"]}
    answered = [rejection.target_id for rejection in decision.rejections]
    answered += [decision.chosen.target_id] if decision.chosen else []
    assert sorted(answered) == (sorted(plan) if request.campaign_id == 1 else [])
    lower = [found for found in decision.rejections if found.code is RejectionCode.LOWER_RANK]
    assert len(lower) == max(len(decision.order) - 1, 0)


@given(document=markets(), request=requests, counts=counts_seen)
def test_nobody_is_offered_a_call_they_may_not_or_cannot_take(
    document: dict[str, Any], request: RouteRequest, counts: Counts
) -> None:
    snapshot = snapshot_of(document)
    decision = decide(snapshot, request, counts)
    for target_id in decision.order:
        target = snapshot.targets[target_id]
        assert target.schedule is not None
        day = request.now.astimezone(ZoneInfo(target.schedule.time_zone)).date()
        products = [request.tags["loan_type"]] if "loan_type" in request.tags else list(LOAN_TYPES)
        candidates = [code for code in request.tags.get("state_candidates", "").split("-") if code]
        states = [request.tags["state"]] if "state" in request.tags else candidates
        assert states, "nobody in these markets is licensed everywhere"
        for state in states:
            for product in products:
                held = snapshot.licences[target.buyer_id].get((state, product), ())
                assert any(in_force(licence, day) for licence in held)
        assert set(products) <= target.loan_types
        assert target.enabled and target_id not in request.tried
        assert target.schedule.is_open(request.now)
        assert counts.concurrency.get(target_id, 0) < target.concurrency_cap


@given(document=markets(), request=requests, counts=counts_seen)
@settings(max_examples=150)
def test_a_stored_decision_can_be_made_again_byte_for_byte(
    document: dict[str, Any], request: RouteRequest, counts: Counts
) -> None:
    snapshot = snapshot_of(document)
    decision = decide(snapshot, request, counts)
    stored = json.loads(json.dumps(decision.to_json()))
    shuffled = dict(reversed(stored.items()))
    assert replay(shuffled, snapshot).to_bytes() == decision.to_bytes()
