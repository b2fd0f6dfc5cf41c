"""Hours within hours: what a buyer may cut, to the minute, over midnight and the week's end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rules.schedule import parse_schedule
from web.buyer.hours import DayProblem, Span, Week, narrowed, week_of

HOUSE = {
    "time_zone": "America/New_York",
    "ranges": [
        {"days": [0, 1, 2, 3, 4], "from": "08:00", "to": "20:00", "name": "day"},
        {"days": [6], "from": "22:00", "to": "04:00"},
    ],
    "closed_days": ["2026-12-24"],
}
CLOSED: tuple[Span, ...] = ()


def week(**days: tuple[Span, ...]) -> Week:
    return tuple(days.get(name, CLOSED) for name in ("mon", "tue", "wed", "thu", "fri", "sat", "sun"))


def test_the_houses_own_hours_are_within_themselves() -> None:
    same = narrowed(HOUSE, week_of(HOUSE))
    assert isinstance(same, dict)
    assert parse_schedule(same).hours == parse_schedule(HOUSE).hours


def test_narrower_hours_keep_the_ranges_name_the_zone_and_the_days_off() -> None:
    cut = narrowed(HOUSE, week(mon=(("09:00", "12:00"), ("13:00", "20:00")), tue=(("09:00", "12:00"),)))
    assert cut == {
        **HOUSE,
        "ranges": [
            {"days": [0, 1], "from": "09:00", "to": "12:00", "name": "day"},
            {"days": [0], "from": "13:00", "to": "20:00", "name": "day"},
        ],
    }


def test_a_night_runs_into_monday() -> None:
    cut = narrowed(HOUSE, week(sun=(("23:00", "02:00"),), mon=(("00:00", "01:00"),)))
    assert isinstance(cut, dict)
    assert {(tuple(one["days"]), one["from"], one["to"]) for one in cut["ranges"]} == {
        ((6,), "23:00", "02:00"),
        ((0,), "00:00", "01:00"),
    }


def test_what_lies_outside_is_told_to_the_minute() -> None:
    assert narrowed(HOUSE, week(mon=(("07:59", "12:00"),), sat=(("09:00", "10:00"),))) == [
        DayProblem(day=0, problem="Mon 07:59 to 08:00 lies outside the hours agreed with us."),
        DayProblem(day=5, problem="Sat 09:00 to 10:00 lies outside the hours agreed with us."),
    ]
    assert narrowed(HOUSE, week(tue=(("8", "12:00"),), wed=(("09:00", "09:00"),))) == [
        DayProblem(day=1, problem="Write both times like 08:00, or leave both empty."),
        DayProblem(day=2, problem="Both times are the same; a whole day is 00:00 to 24:00."),
    ]
    (nothing,) = narrowed(HOUSE, week())
    assert isinstance(nothing, DayProblem) and "pause the target instead" in nothing.problem


times = st.integers(min_value=0, max_value=1439).map(lambda minute: f"{minute // 60:02d}:{minute % 60:02d}")
spans = st.lists(st.tuples(times, times).filter(lambda span: span[0] != span[1]), max_size=2).map(tuple)
weeks = st.tuples(*[spans] * 7)


@given(weeks, weeks)
def test_no_minute_is_ever_open_that_was_not_agreed(house: Week, wanted: Week) -> None:
    ranges = [
        {"days": [day], "from": start, "to": end if end != "00:00" else "24:00"}
        for day, of_day in enumerate(house)
        for start, end in of_day
    ]
    agreed = {"time_zone": "UTC", "ranges": ranges}
    cut = narrowed(agreed, wanted)
    if isinstance(cut, list):
        return
    before, after = _minutes(parse_schedule(agreed).boundaries), _minutes(parse_schedule(cut).boundaries)
    assert after <= before


def _minutes(boundaries: tuple[int, ...]) -> set[int]:
    pairs = zip(boundaries[::2], boundaries[1::2], strict=True)
    return {minute for start, end in pairs for minute in range(start, end)}
