"""The same caller again: windows, scopes and what becomes of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.counts import EarlierCall
from router.domain.duplicates import (
    ACTIONS,
    AFTER,
    SCOPES,
    DuplicatePolicy,
    DuplicatePolicyError,
    Duplicates,
    duplicate_for,
    find_duplicates,
    parse_duplicate_policy,
    pays_nothing,
    refused_as_duplicate,
    sold_to_another,
    spell_window,
    target_to_have_it_again,
)
from tests.router.markets import TUESDAY_NOON

DAY_SECONDS = 86_400


def policy(**changes: Any) -> DuplicatePolicy:
    said = {"window_seconds": DAY_SECONDS, "scope": "buyer", "after": "connect", "action": "refuse"}
    return parse_duplicate_policy({**said, **changes})


def earlier(seconds_ago: float = 3600, **changes: Any) -> EarlierCall:
    """Buyer 1's desk 11 talked to the caller in campaign 1."""
    said: dict[str, Any] = {
        "call_id": "first",
        "campaign_id": 1,
        "buyer_id": 1,
        "target_id": 11,
        "started_at": TUESDAY_NOON - timedelta(seconds=seconds_ago),
        "connected": True,
        "converted": False,
    }
    return EarlierCall(**{**said, **changes})


def found(rule: DuplicatePolicy, *calls: EarlierCall) -> Duplicates | None:
    return find_duplicates(rule, 1, calls, TUESDAY_NOON)


@pytest.mark.parametrize(
    ("seconds_ago", "counts"),
    [(DAY_SECONDS - 0.000001, True), (DAY_SECONDS, False), (DAY_SECONDS + 1, False), (0, True)],
)
def test_a_call_a_whole_window_ago_counts_no_more(seconds_ago: float, counts: bool) -> None:
    assert (found(policy(), earlier(seconds_ago)) is not None) is counts


@given(window=st.integers(1, 366 * DAY_SECONDS), beyond_us=st.integers(-3_000_000, 3_000_000))
def test_the_window_is_exact_to_the_microsecond(window: int, beyond_us: int) -> None:
    started = TUESDAY_NOON - timedelta(seconds=window, microseconds=beyond_us)
    call = earlier(started_at=started)
    expected = abs(window * 1_000_000 + beyond_us) < window * 1_000_000
    assert (found(policy(window_seconds=window), call) is not None) is expected


def test_a_call_counts_when_it_got_as_far_as_the_policy_says() -> None:
    tried = earlier(connected=False)
    talked = earlier()
    sold = earlier(converted=True)
    got_as_far = {
        after: [found(policy(after=after), call) is not None for call in (tried, talked, sold)]
        for after in AFTER
    }
    assert got_as_far == {
        "attempt": [True, True, True],
        "connect": [False, True, True],
        "convert": [False, False, True],
    }


def hit(scope: str, target_id: int, buyer_id: int, fellows: set[int], call: EarlierCall) -> bool:
    duplicates = found(policy(scope=scope), call)
    return duplicates is not None and duplicate_for(duplicates, target_id, buyer_id, fellows) is not None


def test_the_scope_says_whose_earlier_calls_count() -> None:
    elsewhere = earlier(campaign_id=2)
    assert hit("campaign", 99, 9, set(), earlier())
    assert not hit("campaign", 11, 1, set(), elsewhere)
    assert hit("buyer", 12, 1, set(), elsewhere)
    assert not hit("buyer", 21, 2, set(), earlier())
    assert hit("target", 11, 1, set(), elsewhere)
    assert not hit("target", 12, 1, set(), earlier())
    assert hit("group", 21, 2, {11, 21}, elsewhere)
    assert hit("group", 11, 1, set(), elsewhere)
    assert not hit("group", 21, 2, {22}, earlier())


def refused(rule: DuplicatePolicy, target_id: int, buyer_id: int) -> str | None:
    duplicates = found(rule, earlier(), earlier(7200, target_id=12, call_id="before"))
    assert duplicates is not None
    return refused_as_duplicate(duplicates, target_id, buyer_id)


def test_refuse_closes_the_whole_scope_and_says_which_call_it_repeats() -> None:
    said = "target 11 connected this caller at 2026-03-03 16:00 UTC, within 1 day"
    assert refused(policy(), 13, 1) == said
    assert refused(policy(), 21, 2) is None
    assert refused(policy(scope="campaign"), 21, 2) == said


def test_other_target_leaves_the_campaign_open_to_those_who_have_not_had_the_caller() -> None:
    rule = policy(scope="campaign", action="other_target")
    assert refused(rule, 11, 1)
    assert refused(rule, 12, 1)
    assert refused(rule, 13, 1) is None
    assert refused(policy(action="other_target"), 13, 1), "the buyer as a whole has had the caller"


def test_the_same_target_gets_the_caller_again_before_others() -> None:
    rule = policy(scope="campaign", action="same_target")
    duplicates = found(rule, earlier(7200, target_id=12), earlier(60, target_id=11))
    assert target_to_have_it_again(duplicates) == 11
    assert refused(rule, 12, 1) is None
    assert target_to_have_it_again(found(policy(), earlier())) is None
    assert target_to_have_it_again(None) is None


def test_a_duplicate_may_be_routed_for_nothing() -> None:
    duplicates = found(policy(action="route_unbilled"), earlier())
    assert duplicates is not None
    assert pays_nothing(duplicates, 12, 1)
    assert not pays_nothing(duplicates, 21, 2)
    assert refused_as_duplicate(duplicates, 12, 1) is None


def test_without_a_policy_nothing_is_a_duplicate() -> None:
    assert find_duplicates(None, 1, [earlier()], TUESDAY_NOON) is None


def test_an_exclusive_caller_belongs_to_the_buyer_who_has_bought_it() -> None:
    sold = earlier(converted=True)

    def another(buyer_id: int, *calls: EarlierCall, campaign_id: int = 1) -> bool:
        return sold_to_another(calls, campaign_id, buyer_id, DAY_SECONDS, TUESDAY_NOON) is not None

    assert another(2, sold)
    assert not another(1, sold)
    assert not another(2, earlier()), "talked, not sold"
    assert not another(2, sold, campaign_id=2)
    assert not another(2, earlier(DAY_SECONDS, converted=True))
    assert not another(2, sold, earlier(60, converted=True, buyer_id=2)), "sold to both before"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"window_seconds": 0}, "window_seconds: 0 is not 1 to 31622400 seconds"),
        ({"window_seconds": True}, "window_seconds: True is not"),
        ({"window_seconds": 1e3}, "window_seconds: 1000.0 is not"),
        ({"scope": "planet"}, "scope: 'planet' is not one of campaign, buyer, target, group"),
        ({"after": None}, "after: None is not one of attempt, connect, convert"),
        ({"action": []}, "action: [] is not one of other_target, same_target, refuse, route_unbilled"),
        ({"extra": 1}, "extra: not known"),
    ],
)
def test_a_policy_that_cannot_be_right_is_refused_with_its_place(
    changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(DuplicatePolicyError) as error:
        policy(**changes)
    assert error.value.problems[0].startswith(problem)


def test_something_else_is_no_policy() -> None:
    with pytest.raises(DuplicatePolicyError, match="is an object with window_seconds"):
        parse_duplicate_policy("30 days")


def test_windows_are_spelled_for_people() -> None:
    assert [spell_window(seconds) for seconds in (30 * DAY_SECONDS, 3600 * 36, 90, 120)] == [
        "30 days", "36 hours", "90 seconds", "2 minutes",
    ]  # fmt: skip


calls = st.builds(
    earlier,
    seconds_ago=st.integers(0, 2 * DAY_SECONDS),
    campaign_id=st.integers(1, 2),
    target_id=st.integers(1, 4),
    connected=st.booleans(),
    converted=st.booleans(),
).map(
    lambda call: EarlierCall(
        **{**{f: getattr(call, f) for f in FIELDS}, "buyer_id": (call.target_id + 1) // 2}
    )
)
FIELDS = ("call_id", "campaign_id", "target_id", "started_at", "connected", "converted")


@given(
    history=st.lists(calls, max_size=5),
    scope=st.sampled_from(SCOPES),
    after=st.sampled_from(AFTER),
    action=st.sampled_from(ACTIONS),
    target_id=st.integers(1, 4),
)
def test_a_target_is_refused_exactly_when_the_words_of_the_policy_say_so(
    history: list[EarlierCall], scope: str, after: str, action: str, target_id: int
) -> None:
    buyer_id = (target_id + 1) // 2
    group = {1, 2, 3} - {target_id} if target_id in (1, 2, 3) else set()
    in_time = [
        call
        for call in history
        if (TUESDAY_NOON - call.started_at).total_seconds() < DAY_SECONDS
        and (after == "attempt" or call.converted or (after == "connect" and call.connected))
    ]
    repeats = {
        "campaign": [call for call in in_time if call.campaign_id == 1],
        "buyer": [call for call in in_time if call.buyer_id == buyer_id],
        "target": [call for call in in_time if call.target_id == target_id],
        "group": [call for call in in_time if call.target_id in group | {target_id}],
    }[scope]
    if action == "other_target" and scope == "campaign":
        repeats = [call for call in repeats if call.target_id == target_id]
    duplicates = found(policy(scope=scope, after=after, action=action), *history)
    closed = (
        duplicates is not None and refused_as_duplicate(duplicates, target_id, buyer_id, group) is not None
    )
    free = duplicates is not None and pays_nothing(duplicates, target_id, buyer_id, group)
    assert closed is (bool(repeats) and action in ("refuse", "other_target"))
    assert free is (bool(repeats) and action == "route_unbilled")
