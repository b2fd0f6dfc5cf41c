"""When a bidder rests for what it did with the calls it won."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.bidder_record import (
    FIRST_REST,
    LONGEST_REST,
    NO_RECORD,
    WINDOW,
    Allowed,
    Record,
    Together,
    Wins,
    counted_from,
    judged_again,
    rest_words,
    with_missed,
)
from tests.router.markets import TUESDAY_NOON as NOON

DOLLAR = 1_000_000
HOUR = timedelta(hours=1)


USUAL = Allowed()


def again(
    before: Record,
    wins: Wins,
    *,
    now: datetime = NOON,
    allowed: Allowed = USUAL,
    recent: Wins | None = None,
) -> Record:
    return judged_again(before, now, lasted=(), wins=wins, recent=recent or wins, allowed=allowed)


def refused(count: int, won: int) -> Wins:
    return Wins(won=won, refused=count, worth_micros=won * DOLLAR, paid_micros=(won - count) * DOLLAR)


def paid(dollars: int, worth: int, won: int = 20) -> Wins:
    return Wins(won=won, unpaid=won, worth_micros=worth * DOLLAR, paid_micros=dollars * DOLLAR)


@pytest.mark.parametrize(
    ("wins", "rests"),
    [
        (refused(19, 19), False),  # too few to know
        (refused(12, 20), False),
        (refused(13, 20), True),
        (paid(0, 100, won=19), False),
        (paid(25, 100), False),
        (paid(24, 100), True),
        (Wins(won=100), False),  # free calls
    ],
)
def test_a_bidder_rests_when_it_refuses_too_much_or_pays_too_little(wins: Wins, rests: bool) -> None:
    assert again(NO_RECORD, wins).is_resting(NOON) is rests


def test_an_honest_bidder_whose_calls_seldom_last_does_not_rest() -> None:
    """Of its calls 30 in 100 last; its bids were worth just that."""
    wins = Wins(won=100, unpaid=70, worth_micros=100 * 30 * DOLLAR, paid_micros=30 * 100 * DOLLAR)
    assert not again(NO_RECORD, wins).is_resting(NOON)


def test_it_says_why_and_until_when() -> None:
    record = again(
        NO_RECORD, Wins(won=20, refused=4, unpaid=15, worth_micros=400 * DOLLAR, paid_micros=45 * DOLLAR)
    )
    assert rest_words(record).endswith(
        " UTC: it paid $45.00 for 20 calls it won by bids worth $400.00, less than 25 %"
        " (4 refused or not answered, 15 not paid)"
    )


def test_a_rest_ends_by_itself_with_a_clean_slate_and_the_next_one_is_twice_as_long() -> None:
    record, now, rests = NO_RECORD, NOON, []
    for _ in range(6):
        record = again(record, refused(20, 20), now=now)
        assert record.rested_until is not None and record.is_resting(now)
        rests.append(record.rest)
        # Nothing is forgotten meanwhile, however long it takes.
        assert (
            counted_from(record, record.rested_until - timedelta(seconds=1)) <= now - WINDOW or len(rests) > 1
        )
        now = record.rested_until
        assert not record.is_resting(now) and counted_from(record, now) == now
        record = again(record, Wins(), now=now)
        assert record.rested_until is None and not record.is_resting(now)
    assert rests == [FIRST_REST, 2 * HOUR, 4 * HOUR, 8 * HOUR, 16 * HOUR, LONGEST_REST]
    quiet = again(record, Wins(), now=now + WINDOW)
    assert quiet == NO_RECORD
    assert again(quiet, refused(20, 20), now=now + WINDOW).rest == FIRST_REST


def test_a_rest_ends_when_the_endpoint_allows_what_it_was_for() -> None:
    resting = again(NO_RECORD, refused(20, 20))
    assert again(resting, refused(20, 20), now=NOON + HOUR / 2).is_resting(NOON + HOUR / 2)
    all_is_allowed = Allowed(most_refused_percent=100, least_paid_percent=0)
    lifted = again(resting, refused(20, 20), now=NOON + HOUR / 2, allowed=all_is_allowed)
    assert (lifted.rested_until, lifted.why) == (None, "")


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
def test_the_callers_number_is_hidden_from_half_the_allowed_share_on(
    won: int, count: int, share: int
) -> None:
    count = min(count, won)
    allowed = Allowed(most_refused_percent=share)
    record = again(NO_RECORD, Wins(), recent=refused(count, won), allowed=allowed)
    assert record.hides_caller is (won >= 10 and count / won > share / 200)


def test_a_rest_does_not_make_the_habit_forgotten() -> None:
    resting = again(NO_RECORD, refused(20, 20))
    assert resting.rested_until is not None
    assert again(resting, Wins(), recent=refused(20, 20), now=resting.rested_until).hides_caller


@given(st.integers(2, 10), st.integers(0, 100), st.integers(0, 100))
def test_calls_that_others_took_count_only_against_who_takes_hardly_any(
    ringing: int, calls: int, taken: int
) -> None:
    taken = min(taken, calls)
    together = Together(taken=taken, missed=calls - taken, fair_share=calls / ringing)
    own = Wins(won=taken, unpaid=taken)
    wins = with_missed(own, together)
    if calls / ringing >= 10 and taken < calls / ringing / 5:
        assert wins == Wins(won=calls, refused=calls - taken, unpaid=taken)
        assert again(NO_RECORD, wins).is_resting(NOON) and again(NO_RECORD, wins).hides_caller
    else:
        assert wins == own
