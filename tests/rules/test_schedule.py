from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.schedule import (
    Schedule,
    ScheduleError,
    always_open,
    local_time,
    minute_of_week,
    parse_schedule,
)

NEW_YORK = ZoneInfo("America/New_York")
WEEKDAYS = [0, 1, 2, 3, 4]


def hours(days: list[int], start: str, end: str, time_zone: str = "America/New_York") -> dict[str, Any]:
    return {"time_zone": time_zone, "ranges": [{"days": days, "from": start, "to": end}]}


def in_new_york(*parts: int, fold: int = 0) -> datetime:
    return datetime(*parts, tzinfo=NEW_YORK, fold=fold)  # type: ignore[arg-type,misc]


def test_an_office_is_open_from_the_first_minute_to_before_the_last() -> None:
    office = parse_schedule(hours(WEEKDAYS, "08:00", "20:00"))
    assert not office.is_open(in_new_york(2026, 3, 3, 7, 59, 59))
    assert office.is_open(in_new_york(2026, 3, 3, 8, 0))
    assert office.is_open(in_new_york(2026, 3, 3, 19, 59, 59))
    assert not office.is_open(in_new_york(2026, 3, 3, 20, 0))
    assert not office.is_open(in_new_york(2026, 3, 7, 12, 0)), "Saturday"


def test_an_office_keeps_its_own_zone_wherever_the_caller_is() -> None:
    office = parse_schedule(hours(WEEKDAYS, "08:00", "20:00", "America/Los_Angeles"))
    eight_in_new_york = in_new_york(2026, 3, 3, 8, 0)
    assert not office.is_open(eight_in_new_york)
    assert office.is_open(eight_in_new_york + timedelta(hours=3))


def test_a_night_shift_goes_on_past_midnight_into_a_day_it_does_not_name() -> None:
    night = parse_schedule(hours([4], "22:00", "02:30"))
    assert not night.is_open(in_new_york(2026, 3, 6, 1, 0)), "Friday morning belongs to Thursday"
    assert night.is_open(in_new_york(2026, 3, 6, 23, 0))
    assert night.is_open(in_new_york(2026, 3, 7, 2, 29))
    assert not night.is_open(in_new_york(2026, 3, 7, 2, 30))


def test_sunday_night_goes_on_into_monday() -> None:
    night = parse_schedule(hours([6], "22:00", "06:00"))
    assert night.is_open(in_new_york(2026, 3, 9, 5, 59)), "Monday"
    assert night.is_open(in_new_york(2026, 3, 8, 22, 0)), "Sunday"
    assert not night.is_open(in_new_york(2026, 3, 8, 5, 0)), "Sunday morning belongs to Saturday"


def test_the_hour_that_autumn_repeats_is_open_twice() -> None:
    hour = parse_schedule(hours([6], "01:00", "02:00"))
    assert hour.is_open(in_new_york(2026, 11, 1, 1, 30, fold=0))
    assert hour.is_open(in_new_york(2026, 11, 1, 1, 30, fold=1))
    first = datetime(2026, 11, 1, 5, 0, tzinfo=UTC)
    open_minutes = sum(hour.is_open(first + timedelta(minutes=minute)) for minute in range(-120, 240))
    assert open_minutes == 120


def test_the_hour_that_spring_skips_is_never_open() -> None:
    skipped = parse_schedule(hours([6], "02:00", "03:00"))
    midnight = in_new_york(2026, 3, 8, 0, 0).astimezone(UTC)
    assert not any(skipped.is_open(midnight + timedelta(minutes=minute)) for minute in range(6 * 60))


def test_a_night_shift_over_a_daylight_saving_night_ends_by_the_clock_on_the_wall() -> None:
    night = parse_schedule(hours([5], "22:00", "06:00"))
    spring, autumn = in_new_york(2026, 3, 7, 22, 0), in_new_york(2026, 10, 31, 22, 0)
    for start, length_hours in ((spring, 7), (autumn, 9)):
        end = start.astimezone(UTC) + timedelta(hours=length_hours)
        assert night.is_open(end - timedelta(minutes=1))
        assert not night.is_open(end)


def test_always_open_is_open_on_every_day_of_the_year() -> None:
    always = parse_schedule(always_open("America/Denver"))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert all(always.is_open(start + timedelta(hours=hour)) for hour in range(366 * 24))


def test_no_ranges_means_never_open() -> None:
    never = parse_schedule({"time_zone": "UTC", "ranges": []})
    assert not never.is_open(datetime(2026, 1, 1, tzinfo=UTC))
    assert never.next_opening(date(2026, 1, 1), 0) is None
    assert never.describe_closed(date(2026, 1, 5), 0) == "Mon 00:00 in UTC, never opens"


def test_the_next_opening_is_told() -> None:
    office = parse_schedule(hours(WEEKDAYS, "08:00", "20:00"))
    friday_night = in_new_york(2026, 3, 6, 21, 4)
    assert told(office, friday_night) == "Fri 21:04 in America/New_York, opens Mon 08:00"


HOLIDAYS = {
    "US": {
        "2026-10-12": "Columbus Day",
        "2026-11-26": "Thanksgiving Day",
        "2026-12-25": "Christmas Day",
        "2027-01-01": "New Year's Day",
        "2027-07-05": "Independence Day (observed)",
    }
}


def told(schedule: Schedule, now: datetime) -> str:
    local = local_time(now, schedule.time_zone)
    return schedule.describe_closed(local.date(), minute_of_week(local))


def test_lunch_is_a_break_every_day_it_is_named_for() -> None:
    office = parse_schedule(
        hours(WEEKDAYS, "08:00", "20:00")
        | {"breaks": [{"days": [0, 1, 2, 3], "from": "12:00", "to": "12:30"}]}
    )
    assert office.is_open(in_new_york(2026, 3, 3, 11, 59))
    assert not office.is_open(in_new_york(2026, 3, 3, 12, 0))
    assert not office.is_open(in_new_york(2026, 3, 3, 12, 29))
    assert office.is_open(in_new_york(2026, 3, 3, 12, 30))
    assert office.is_open(in_new_york(2026, 3, 6, 12, 0)), "Friday has none"
    assert told(office, in_new_york(2026, 3, 3, 12, 5)) == "Tue 12:05 in America/New_York, opens Tue 12:30"


def test_an_office_is_closed_on_holidays_but_those_it_works_on() -> None:
    office = parse_schedule(
        hours(WEEKDAYS, "08:00", "20:00") | {"holidays": {"calendar": "US", "open_on": ["Columbus Day"]}},
        HOLIDAYS,
    )
    assert office.is_open(in_new_york(2026, 10, 12, 12, 0))
    thanksgiving = in_new_york(2026, 11, 26, 12, 0)
    assert not office.is_open(thanksgiving)
    assert told(office, thanksgiving) == ("Thu 12:00 in America/New_York (Thanksgiving Day), opens Fri 08:00")
    assert office.is_open(thanksgiving + timedelta(days=1))


def test_who_works_on_a_holiday_works_on_the_day_it_is_observed() -> None:
    closed = hours(WEEKDAYS, "08:00", "20:00") | {"holidays": {"calendar": "US"}}
    works = hours(WEEKDAYS, "08:00", "20:00") | {
        "holidays": {"calendar": "US", "open_on": ["Independence Day"]}
    }
    observed = in_new_york(2027, 7, 5, 12, 0)
    assert not parse_schedule(closed, HOLIDAYS).is_open(observed)
    assert parse_schedule(works, HOLIDAYS).is_open(observed)


def test_the_night_shift_before_a_holiday_goes_on_to_its_end_and_that_of_the_holiday_never_begins() -> None:
    night = parse_schedule(
        hours([0, 1, 2, 3, 4, 5, 6], "22:00", "06:00") | {"closed_days": ["2026-12-24"]}, HOLIDAYS
    )
    assert night.is_open(in_new_york(2026, 12, 24, 5, 59))
    assert not night.is_open(in_new_york(2026, 12, 24, 23, 0))
    assert not night.is_open(in_new_york(2026, 12, 25, 5, 0))
    assert night.is_open(in_new_york(2026, 12, 25, 22, 0))
    assert told(night, in_new_york(2026, 12, 24, 23, 0)) == (
        "Thu 23:00 in America/New_York (closed that day), opens Fri 22:00"
    )


def test_a_shop_that_never_closes_opens_at_midnight_after_a_holiday() -> None:
    shop = parse_schedule(always_open("America/New_York") | {"closed_days": ["2026-12-25"]})
    assert told(shop, in_new_york(2026, 12, 25, 9, 0)) == (
        "Fri 09:00 in America/New_York (closed that day), opens Sat 00:00"
    )


def test_a_long_time_off_is_told_with_its_date() -> None:
    days = [f"2026-12-{day}" for day in range(21, 31)]
    office = parse_schedule(hours([0, 1], "08:00", "20:00") | {"closed_days": days})
    assert told(office, in_new_york(2026, 12, 21, 9, 0)).endswith("opens Mon 08:00 on 2027-01-04")
    shut = parse_schedule(
        hours([3], "08:00", "20:00")
        | {"closed_days": [(date(2026, 1, 1) + timedelta(days=7 * week)).isoformat() for week in range(20)]}
    )
    assert told(shut, in_new_york(2026, 1, 1, 9, 0)).endswith("not open for 60 days")


def test_ranges_with_a_name_can_be_told_apart() -> None:
    office = parse_schedule(
        {
            "time_zone": "America/New_York",
            "ranges": [
                {"days": WEEKDAYS, "from": "08:00", "to": "16:00", "name": "day"},
                {"days": WEEKDAYS, "from": "15:00", "to": "01:00", "name": "late"},
            ],
            "breaks": [{"days": WEEKDAYS, "from": "00:15", "to": "00:30"}],
            "closed_days": ["2026-03-04"],
        }
    )

    def open_ranges(*parts: int) -> list[str]:
        local = in_new_york(*parts)
        at = (local.date(), minute_of_week(local))
        return [name for name in ("day", "late", "never") if office.is_range_open(name, *at)]

    assert open_ranges(2026, 3, 3, 9, 0) == ["day"]
    assert open_ranges(2026, 3, 3, 15, 30) == ["day", "late"]
    assert open_ranges(2026, 3, 4, 0, 10) == ["late"]
    assert open_ranges(2026, 3, 4, 0, 20) == []
    assert open_ranges(2026, 3, 4, 12, 0) == []
    assert open_ranges(2026, 3, 5, 0, 40) == []


def test_an_instant_without_a_zone_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="time zone"):
        local_time(datetime(2026, 1, 1), "UTC")


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("always", "an object with time_zone and ranges"),
        ({"time_zone": "Ohio", "ranges": []}, "time_zone: 'Ohio' is not a time zone"),
        ({"time_zone": "America", "ranges": []}, "time_zone: 'America' is not a time zone"),
        ({"time_zone": "../../etc/passwd", "ranges": []}, "is not a time zone"),
        ({"time_zone": None, "ranges": []}, "time_zone: None is not a time zone"),
        ({"time_zone": "UTC"}, "ranges: not a list"),
        ({"time_zone": "UTC", "ranges": [7]}, "ranges[0]: not an object"),
        ({"time_zone": "UTC", "ranges": [], "vacation": []}, "vacation: not known"),
        ({"time_zone": "UTC", "ranges": [], "holidays": []}, "holidays: not an object"),
        (
            {"time_zone": "UTC", "ranges": [], "holidays": {"calendar": "US-XX"}},
            "'US-XX' is not a holiday calendar",
        ),
        ({"time_zone": "UTC", "ranges": [], "holidays": {"calendar": []}}, "[] is not a holiday calendar"),
        (
            {"time_zone": "UTC", "ranges": [], "holidays": {"calendar": "US", "open_on": ["Easter", []]}},
            "holidays.open_on[0]: 'Easter' is not a holiday of US; holidays.open_on[1]: [] is not",
        ),
        (
            {"time_zone": "UTC", "ranges": [], "holidays": {"calendar": "US", "but": 1}},
            "holidays.but: not known",
        ),
        ({"time_zone": "UTC", "ranges": [], "closed_days": "2026-12-24"}, "closed_days: not a list"),
        (
            {"time_zone": "UTC", "ranges": [], "closed_days": ["24.12.2026"]},
            "closed_days[0]: '24.12.2026' is not",
        ),
        (
            {"time_zone": "UTC", "ranges": [], "breaks": [{"days": [1], "name": "x"}]},
            "breaks[0].name: not known",
        ),
        (hours([1], "08:00", "20:00") | {"breaks": 4}, "breaks: not a list"),
        (
            {"time_zone": "UTC", "ranges": [{"days": [1], "from": "08:00", "to": "09:00", "name": 5}]},
            "ranges[0].name: not a text",
        ),
        (hours([7], "08:00", "20:00"), "ranges[0].days: 7 is not a day"),
        (hours([True], "08:00", "20:00"), "ranges[0].days: True is not a day"),
        (hours([], "08:00", "20:00"), "ranges[0].days: not a list of days"),
        (hours([1, 1], "08:00", "20:00"), "ranges[0].days: a day is named twice"),
        (hours([1], "8am", "20:00"), "ranges[0].from: '8am' is not a time like 08:00"),
        (hours([1], "08:00", "24:01"), "ranges[0].to: '24:01' is not a time"),
        (hours([1], "08:60", "20:00"), "ranges[0].from: '08:60' is not a time"),
        (hours([1], "٠٨:٠٠", "20:00"), "ranges[0].from"),
        (hours([1], "24:00", "08:00"), "ranges[0].from: 24:00 ends a day"),
        (hours([1], "08:00", "08:00"), "from and to are the same"),
        ({"time_zone": "UTC", "ranges": [{}] * 101}, "ranges: more than 100"),
    ],
)
def test_a_schedule_that_cannot_be_right_is_refused_with_its_place(schedule: object, said: str) -> None:
    with pytest.raises(ScheduleError) as refused:
        parse_schedule(schedule, HOLIDAYS)
    assert said in str(refused.value)


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(ScheduleError) as refused:
        parse_schedule({"time_zone": "Ohio", "ranges": [{"days": [9], "from": "x", "to": "y"}]})
    assert len(refused.value.problems) == 4


times = st.integers(0, 1439).map(lambda minute: f"{minute // 60:02d}:{minute % 60:02d}")
ranges = st.lists(
    st.tuples(
        st.lists(st.integers(0, 6), min_size=1, unique=True), times, st.one_of(times, st.just("24:00"))
    ),
    max_size=5,
).map(lambda found: [entry for entry in found if entry[1] != entry[2]])
zones = st.sampled_from(
    ["America/New_York", "America/Phoenix", "America/Anchorage", "Pacific/Honolulu", "Australia/Lord_Howe"]
)
# The weeks around both changes of 2026, minute by minute and second by second.
instants = st.one_of(
    st.datetimes(datetime(2026, 3, 1), datetime(2026, 4, 10), timezones=st.just(UTC)),
    st.datetimes(datetime(2026, 10, 1), datetime(2026, 11, 8), timezones=st.just(UTC)),
)


def read_off_the_wall(entries: list[tuple[list[int], str, str]], local: datetime) -> bool:
    """The plainest reading of the ranges: compare what the wall clock shows with what is written."""
    shown, today, yesterday = f"{local:%H:%M}", local.weekday(), (local.weekday() - 1) % 7
    for days, start, end in entries:
        if start < end:
            if today in days and start <= shown < end:
                return True
        elif (today in days and shown >= start) or (yesterday in days and shown < end):
            return True
    return False


@given(entries=ranges, zone=zones, now=instants)
def test_open_means_what_a_person_reads_off_the_wall(
    entries: list[tuple[list[int], str, str]], zone: str, now: datetime
) -> None:
    schedule = parse_schedule(
        {
            "time_zone": zone,
            "ranges": [{"days": days, "from": start, "to": end} for days, start, end in entries],
        }
    )
    local = now.astimezone(ZoneInfo(zone))
    assert schedule.is_open(now) == read_off_the_wall(entries, local)


@st.composite
def shifts(draw: st.DrawFn) -> dict[str, Any]:
    """A range on the quarter hour, so that ends meet often."""
    quarter = st.integers(0, 95).map(lambda n: f"{n // 4:02d}:{n % 4 * 15:02d}")
    start = draw(quarter)
    end = draw((quarter | st.just("24:00")).filter(lambda text: text != start))
    return {
        "days": draw(st.lists(st.integers(0, 6), min_size=1, unique=True)),
        "from": start,
        "to": end,
    }


NIGHTS_THE_CLOCKS_CHANGE = [
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("America/Los_Angeles", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("America/Phoenix", date(2026, 3, 8)),
    ("America/Santiago", date(2026, 9, 6)),
]


@settings(max_examples=15)
@given(
    ranges=st.lists(shifts(), min_size=1, max_size=3),
    breaks=st.lists(shifts(), max_size=2),
    night=st.sampled_from(NIGHTS_THE_CLOCKS_CHANGE),
    off=st.sets(st.integers(-1, 1)),
)
def test_the_whole_night_the_clocks_change_is_read_off_the_wall_minute_by_minute(
    ranges: list[dict[str, Any]], breaks: list[dict[str, Any]], night: tuple[str, date], off: set[int]
) -> None:
    zone, day = night
    closed = {day + timedelta(days=shift) for shift in off}
    schedule = parse_schedule(
        {
            "time_zone": zone,
            "ranges": ranges,
            "breaks": breaks,
            "closed_days": sorted(one.isoformat() for one in closed),
        }
    )
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=24)
    for minute in range(72 * 60):
        now = start + timedelta(minutes=minute)
        local = now.astimezone(ZoneInfo(zone))
        assert schedule.is_open(now) is (
            within(ranges, local, closed) and not within(breaks, local, set())
        ), f"{local}"


@settings(max_examples=40)
@given(
    ranges=st.lists(shifts(), min_size=1, max_size=3),
    breaks=st.lists(shifts(), max_size=2),
    off=st.sets(st.integers(0, 12)),
    quarter=st.integers(0, 7 * 96 - 1),
)
def test_the_next_opening_is_the_first_minute_that_is_open(
    ranges: list[dict[str, Any]], breaks: list[dict[str, Any]], off: set[int], quarter: int
) -> None:
    monday = date(2026, 3, 2)
    closed = [(monday + timedelta(days=shift)).isoformat() for shift in off]
    schedule = parse_schedule({"time_zone": "UTC", "ranges": ranges, "breaks": breaks, "closed_days": closed})
    now = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(minutes=15 * quarter)
    if schedule.is_open(now):
        return
    first = next(
        (then for step in range(30 * 96) if schedule.is_open(then := now + timedelta(minutes=15 * step))),
        None,
    )
    opening = schedule.next_opening(now.date(), minute_of_week(now))
    assert opening == (None if first is None else (first.date(), minute_of_week(first)))


def within(entries: list[dict[str, Any]], local: datetime, closed: set[date]) -> bool:
    """Compare what the wall clock shows with what is written, nothing begins on a closed day."""
    shown, today = f"{local:%H:%M}", local.date()
    yesterday = today - timedelta(days=1)
    for entry in entries:
        begins_today = today.weekday() in entry["days"] and today not in closed
        began_yesterday = yesterday.weekday() in entry["days"] and yesterday not in closed
        if entry["from"] < entry["to"]:
            if begins_today and entry["from"] <= shown < entry["to"]:
                return True
        elif (begins_today and shown >= entry["from"]) or (began_yesterday and shown < entry["to"]):
            return True
    return False
