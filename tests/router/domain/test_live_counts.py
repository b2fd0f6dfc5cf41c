"""Counters kept up to date change by change say what reading them all would say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from router.domain.caps import PERIODS, Moment, all_caps, claims_of
from router.domain.counts import Facts
from router.domain.live_counts import Changes, LiveCounts
from router.domain.market import Cap, Snapshot
from router.domain.plan import plan_of
from router.domain.verdicts import full_by_number
from tests.router.domain.test_verdicts import fuller_markets
from tests.router.markets import TUESDAY_NOON, a_campaign, a_licence, a_market, a_target, snapshot_of

NOON = int(TUESDAY_NOON.timestamp())


def counts_of(live: LiveCounts, snapshot: Snapshot, now: Any = TUESDAY_NOON) -> Any:
    return live.counts(snapshot, snapshot.campaigns[1], 1, now, {}, Facts())


def changes(*counters: tuple[str, int, int], histories: Any = ()) -> Changes:
    return Changes(counters=counters, histories=histories)


def market_with_caps() -> Snapshot:
    caps = [
        {"owner": "target", "owner_id": 1, "kind": "attempts", "period": "hour", "at_most": 2},
        {"owner": "campaign", "owner_id": 1, "kind": "conversions", "period": "day", "at_most": 9},
        {"owner": "publisher", "owner_id": 1, "kind": "attempts", "period": "total", "at_most": 9},
    ]
    document = a_market([a_target(1), a_target(2)], [a_licence(1)], a_campaign([[(1, 1), (2, 1)]]))
    return snapshot_of(
        {**document, "caps": [{"id": n, "range_name": None, **cap} for n, cap in enumerate(caps, 1)]}
    )


@settings(max_examples=60)
@given(document=fuller_markets(), data=st.data())
def test_step_by_step_and_all_at_once_are_the_same(document: dict[str, Any], data: st.DataObject) -> None:
    snapshot = snapshot_of(document)
    plan = plan_of(snapshot, snapshot.campaigns[1])
    keys = sorted(
        {*plan.caps, *(one.cap.key for one in plan.own_concurrency.values()), "target:99:concurrency"}
    )
    step = st.tuples(st.sampled_from(keys), st.integers(0, 4), st.sampled_from([0, NOON - 7200, NOON]))
    steps = data.draw(st.lists(step, max_size=12))
    slowly, at_once = LiveCounts(), LiveCounts()
    counts_of(slowly, snapshot)
    for one in steps:
        slowly.apply(changes(one), slowly.begin_reading())
        found = counts_of(slowly, snapshot)
        assert found.full is not None
        assert set(found.full.caps) == set(full_by_number(plan, found))
    at_once.replace_all(changes(*{key: (key, used, began) for key, used, began in steps}.values()))
    assert counts_of(at_once, snapshot) == counts_of(slowly, snapshot)


def test_what_was_handed_out_does_not_change_any_more() -> None:
    snapshot, live = market_with_caps(), LiveCounts()
    live.apply(changes(("target:1:concurrency", 1, 0), histories=[(1, 5, 2, 1)]), live.begin_reading())
    before = counts_of(live, snapshot)
    live.apply(changes(("target:1:concurrency", 3, 0), histories=[(1, 9, 2, 1)]), live.begin_reading())
    assert (before.concurrency, before.history[1].last_offered_ms) == ({1: 1}, 5)
    assert counts_of(live, snapshot).concurrency == {1: 3}


def test_a_period_that_is_over_counts_nothing() -> None:
    snapshot, live = market_with_caps(), LiveCounts()
    live.apply(changes(("target:1:attempts:hour", 2, NOON)), live.begin_reading())
    now = counts_of(live, snapshot)
    assert (now.used, [one.cap.key for one in now.full.caps]) == (
        {"target:1:attempts:hour": 2},
        ["target:1:attempts:hour"],
    )
    later = counts_of(live, snapshot, TUESDAY_NOON + timedelta(hours=1))
    assert (later.used, later.full.caps) == ({}, ())


def test_a_cap_that_was_full_before_the_hour_is_full_again_when_it_fills_at_once() -> None:
    """Whether a counter is full is written only when that changes, and at the turn of the hour nobody wrote it."""
    snapshot, live, key = market_with_caps(), LiveCounts(), "target:1:attempts:hour"
    for hour in (0, 1, 2):
        now, began = TUESDAY_NOON + timedelta(hours=hour), NOON + 3600 * hour
        assert counts_of(live, snapshot, now).full.caps == ()
        live.apply(changes((key, 2, began)), live.begin_reading())
        assert [one.cap.key for one in counts_of(live, snapshot, now).full.caps] == [key]


def test_the_caps_of_campaign_and_publisher_are_among_them() -> None:
    snapshot, live = market_with_caps(), LiveCounts()
    publisher, campaign = "publisher:1:attempts:total", "campaign:1:conversions:day"
    live.apply(changes((publisher, 4, 0), (campaign, 3, NOON)), live.begin_reading())
    assert counts_of(live, snapshot).used == {publisher: 4, campaign: 3}


def test_what_was_leased_here_counts_until_it_is_read() -> None:
    snapshot, live = market_with_caps(), LiveCounts()
    target, key = snapshot.targets[1], "target:1:concurrency"
    claims = claims_of(
        all_caps(snapshot, snapshot.campaigns[1], 1, target), target, Moment(now=TUESDAY_NOON), 0
    )
    live.note_taken(claims, 1, 77)
    assert counts_of(live, snapshot).concurrency == {1: 1}
    assert counts_of(live, snapshot).history[1].last_offered_ms == 77
    live.apply(changes((key, 2, 0)), live.begin_reading())
    assert counts_of(live, snapshot).concurrency == {1: 2}


def test_what_turns_out_not_to_have_been_taken_is_taken_back() -> None:
    """The same attempt asked for twice takes room once; the row does not change the second time."""
    snapshot, live = market_with_caps(), LiveCounts()
    target, key = snapshot.targets[1], "target:1:concurrency"
    claims = claims_of(
        all_caps(snapshot, snapshot.campaigns[1], 1, target), target, Moment(now=TUESDAY_NOON), 0
    )
    live.apply(changes((key, 1, 0)), live.begin_reading())
    under_way = live.begin_reading()
    live.note_taken(claims, 1, 77)
    live.apply(changes(), under_way)
    assert counts_of(live, snapshot).concurrency == {1: 2}, "that reading may have been too early to see it"
    live.apply(changes(), live.begin_reading())
    assert counts_of(live, snapshot).concurrency == {1: 1}


def test_an_edited_plan_is_read_anew_and_the_others_stay() -> None:
    older, live = market_with_caps(), LiveCounts()
    live.apply(changes(("target:2:concurrency", 1, 0)), live.begin_reading())
    counts_of(live, older)
    newer = snapshot_of(a_market([a_target(2)], [a_licence(1)], a_campaign([[(2, 1)]])))
    assert counts_of(live, newer).concurrency == {2: 1}
    live.replace_all(changes(("target:1:concurrency", 1, 0)))
    assert counts_of(live, newer).concurrency == {}
    assert counts_of(live, older).concurrency == {1: 1}


@given(
    instants=st.lists(
        st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
        min_size=1,
        max_size=4,
    ),
    minutes_later=st.integers(0, 20),
)
def test_a_period_began_when_it_began_for_whoever_asked_first(
    instants: list[datetime], minutes_later: int
) -> None:
    live = LiveCounts()
    zones = ("America/New_York", "Asia/Kathmandu", "Pacific/Chatham", "Australia/Lord_Howe", "UTC")
    for instant in instants:
        for now in (instant, instant + timedelta(minutes=minutes_later)):
            for zone, period in product(zones, PERIODS):
                cap = Cap(key="", owner="target", kind="attempts", period=period, time_zone=zone, at_most=1)
                assert live.moment(now).period_start(cap) == Moment(now=now).period_start(cap)
                assert live.moment(now).now_ms == Moment(now=now).now_ms
