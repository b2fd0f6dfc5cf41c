"""When bidders are rested and how they come back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.domain.breaker import (
    FIRST_REST_MS,
    LEAST_ASKED,
    LONGEST_REST_MS,
    PROBE_MS,
    WELL,
    WINDOW_MS,
    Admission,
    Health,
    admitted,
    noted,
)

START = 1_700_000_000_000


def after(health: Health, *, good: int = 0, bad: int = 0, at: int = START) -> Health:
    for failed in [False] * good + [True] * bad:
        health = noted(health, at, failed=failed)
    return health


@given(good=st.integers(0, 200), bad=st.integers(0, 60))
def test_rested_exactly_when_more_than_15_percent_of_at_least_20_failed(good: int, bad: int) -> None:
    health = after(WELL, good=good, bad=bad)  # the good ones first: the share only rises
    asked = max(good + 1, LEAST_ASKED)
    ever = any((n - good) * 100 > n * 15 for n in range(asked, good + bad + 1))
    assert (health.rested_until_ms is not None) == ever


def test_three_of_twenty_are_borne_and_four_are_not() -> None:
    assert after(WELL, good=17, bad=3).rested_until_ms is None
    assert after(WELL, good=16, bad=4).rested_until_ms == START + FIRST_REST_MS


def test_one_probe_at_a_time_and_a_good_one_brings_the_bidder_back() -> None:
    rested = after(WELL, bad=LEAST_ASKED)
    assert admitted(rested, START + FIRST_REST_MS - 1)[1] is Admission.RESTED
    moment = START + FIRST_REST_MS
    probing, admission = admitted(rested, moment)
    assert admission is Admission.PROBE
    assert admitted(probing, moment + 1)[1] is Admission.RESTED
    assert admitted(probing, moment + PROBE_MS)[1] is Admission.PROBE  # nothing was heard of the first
    back = noted(probing, moment + 50, failed=False, probe=True)
    assert admitted(back, moment + 51)[1] is Admission.OPEN


def test_bad_probes_double_the_rest_up_to_ten_minutes_and_a_good_minute_forgets_them() -> None:
    health, moment, rests = after(WELL, bad=LEAST_ASKED), START, []
    for _ in range(8):
        moment = health.rested_until_ms or 0
        health, _ = admitted(health, moment)
        health = noted(health, moment, failed=True, probe=True)
        rests.append((health.rested_until_ms or 0) - moment)
    assert rests[:3] == [2 * FIRST_REST_MS, 4 * FIRST_REST_MS, 8 * FIRST_REST_MS]
    assert rests[-1] == LONGEST_REST_MS
    health = noted(health, moment + LONGEST_REST_MS, failed=False, probe=True)
    health = after(health, good=1, at=moment + LONGEST_REST_MS + WINDOW_MS)
    assert health.rests == 0


def test_answers_to_questions_from_before_the_rest_change_nothing() -> None:
    rested = after(WELL, bad=LEAST_ASKED)
    assert after(rested, good=50, bad=50) == rested


def test_an_old_window_counts_half_and_a_very_old_one_not_at_all() -> None:
    before = after(WELL, good=36, bad=4)
    assert after(before, good=1, at=START + WINDOW_MS).failed == 2
    assert after(before, good=1, at=START + 3 * WINDOW_MS).failed == 0
