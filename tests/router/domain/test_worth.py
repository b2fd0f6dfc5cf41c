"""What a bid is worth."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.domain.worth import (
    CALLS_COUNTED,
    THRESHOLDS_SECONDS,
    Ceilings,
    Lasted,
    worth_of,
)

DOLLAR = 1_000_000


def worth_micros(bid: int, minimum_ms: int, lasted: Lasted = ()) -> int:
    return worth_of(bid, minimum_ms, lasted).micros


durations = st.lists(st.integers(0, 4_000_000), max_size=CALLS_COUNTED)
minimums = st.integers(0, 3_600_000)
bids = st.integers(1, 10_000 * DOLLAR)


def lasted_of(connected_ms: list[int]) -> tuple[int, ...]:
    reached = (sum(one >= seconds * 1000 for one in connected_ms) for seconds in THRESHOLDS_SECONDS)
    return (len(connected_ms), *reached)


@given(bids, durations, minimums, minimums)
def test_a_longer_minimum_never_raises_the_worth(bid: int, calls: list[int], one: int, other: int) -> None:
    shorter, longer = sorted((one, other))
    lasted = lasted_of(calls)
    assert 0 <= worth_micros(bid, longer, lasted) <= worth_micros(bid, shorter, lasted) <= bid
    assert worth_micros(bid, longer) <= worth_micros(bid, shorter) <= bid


@given(bids, bids, durations, minimums)
def test_a_higher_bid_never_lowers_it(one: int, other: int, calls: list[int], minimum: int) -> None:
    lower, higher = sorted((one, other))
    assert worth_micros(lower, minimum, lasted_of(calls)) <= worth_micros(higher, minimum, lasted_of(calls))


@given(bids, durations, st.integers(0, 3_600_000), minimums)
def test_one_more_call_that_lasts_raises_it_and_one_that_does_not_lowers_it(
    bid: int, calls: list[int], call: int, minimum: int
) -> None:
    before, after = (
        worth_micros(bid, minimum, lasted_of(calls)),
        worth_micros(bid, minimum, lasted_of([*calls, call])),
    )
    if call < minimum:
        assert after <= before
    elif minimum in (0, *(seconds * 1000 for seconds in THRESHOLDS_SECONDS)):
        assert after >= before


@given(bids, durations)
def test_a_bid_without_a_minimum_is_worth_what_it_says_when_its_calls_are_answered(
    bid: int, calls: list[int]
) -> None:
    assert worth_micros(bid, 0, lasted_of(calls)) == bid


@given(bids, durations, minimums)
def test_a_call_that_is_not_answered_lowers_every_worth(bid: int, calls: list[int], minimum: int) -> None:
    handed, *reached = lasted_of(calls)
    assert worth_micros(bid, minimum, (handed + 1, *reached)) <= worth_micros(bid, minimum, lasted_of(calls))
    assert worth_micros(20 * DOLLAR, 0, (20, 0, *reached[1:])) == 10 * DOLLAR


def test_an_absurd_bid_is_worth_less_than_an_honest_one_even_before_anything_is_known() -> None:
    honest = worth_micros(45 * DOLLAR, 60_000)
    assert honest == 22_500_000
    assert worth_micros(10_000 * DOLLAR, 3_600_000) == 10 * DOLLAR < honest
    assert worth_micros(1_000 * DOLLAR, 600_000) == 20 * DOLLAR < honest


def test_the_worth_is_said_in_plain_words() -> None:
    lasted = lasted_of([3_600_000, *[30_000] * 39])
    worth = worth_of(10_000 * DOLLAR, 3_600_000, lasted)
    assert worth.words == "worth $170.00: 1 of its last 40 calls lasted 3,600 s"
    unknown = worth_of(45 * DOLLAR, 61_000).words
    assert unknown == "worth $20.25: it has had no calls yet, and 45 in 100 are expected to last 75 s"
    assert worth_of(DOLLAR, 0, lasted).words == ""
    unanswered = worth_of(30 * DOLLAR, 0, (40, 30, *lasted[2:]))
    assert unanswered.words == "worth $25.00: 30 of its last 40 calls were answered"


def test_ceilings_name_what_was_passed() -> None:
    ceilings = Ceilings(highest_bid_micros=1_000 * DOLLAR, longest_minimum_seconds=600)
    assert ceilings.problem(1_000 * DOLLAR, 600_000) == ""
    assert ceilings.problem(DOLLAR, None) == ""
    assert (
        ceilings.problem(1_000 * DOLLAR + 1, 1) == "a bid of $1,000.000001 is above its ceiling of $1,000.00"
    )
    assert ceilings.problem(DOLLAR, 3_600_000) == "a minimum of 3,600 s is above its ceiling of 600 s"
    assert Ceilings().problem(10_000 * DOLLAR, 3_600_000) == ""
