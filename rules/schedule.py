"""When somebody takes calls: ranges of the week on the wall clock of their own zone, less breaks and holidays.

    {"time_zone": "America/New_York",
     "ranges": [{"days": [0, 1, 2, 3, 4], "from": "08:00", "to": "20:00", "name": "day shift"}],
     "breaks": [{"days": [0, 1, 2, 3, 4], "from": "12:00", "to": "12:30"}],
     "holidays": {"calendar": "US-OH", "open_on": ["Columbus Day"]},
     "closed_days": ["2026-12-24"]}

Day 0 is Monday. A range whose `to` is not after its `from` goes on past midnight into the next day; "24:00" ends a
day. On a holiday or a closed day no range begins; the night shift of the evening before goes on to its end. A range
may have a name, which caps of its own go by. Everything but time_zone and ranges may be left out.

What counts is what the clock on the wall shows: an hour that a daylight-saving night repeats is open twice, an hour
it skips is never open.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from rules.fact_kinds import DAY_MINUTES, minutes_of_day, read_day

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Piece: TypeAlias = tuple[int, int]
    Holidays: TypeAlias = Mapping[str, Mapping[str, str]]

MAXIMUM_RANGES = 100
MAXIMUM_CLOSED_DAYS = 400
MAXIMUM_NAME_CHARACTERS = 40
WEEK_MINUTES = 7 * DAY_MINUTES
DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
OPENING_LOOKED_FOR_DAYS = 60
OBSERVED = " (observed)"

_ONE_DAY = timedelta(days=1)
_KEYS = ("time_zone", "ranges", "breaks", "holidays", "closed_days")


class ScheduleError(ValueError):
    """A schedule that cannot be right. `problems` names each place and reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hours:
    """Minutes of the week (0 = Monday 00:00) at which it opens, closes, opens, … in rising order, [open, close)."""

    own: tuple[int, ...]
    """Of the ranges that begin on the day itself."""
    night: tuple[int, ...]
    """Of the ranges that began the day before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """Weekly opening hours and the days off. Made by `parse_schedule` only, which checks them."""

    time_zone: str
    hours: Hours
    boundaries: tuple[int, ...]
    """Both parts of `hours` in one: what holds in a week without days off."""
    openings: tuple[int, ...]
    """Every minute of the week at which it may open, whatever days are off."""
    named: Mapping[str, Hours]
    """The hours of the ranges that bear a name."""
    off: Mapping[date, str]
    """Days on which no range begins, and why."""

    def is_open(self, now: datetime) -> bool:
        """Say whether it is open at the instant `now` (aware)."""
        local = local_time(now, self.time_zone)
        return self.is_open_on(local.date(), minute_of_week(local))

    def is_open_on(self, day: date, minute: int) -> bool:
        """The same for a day and its minute of the week on this schedule's wall clock."""
        off = self.off
        if not off or (day not in off and day - _ONE_DAY not in off):
            return bisect_right(self.boundaries, minute) % 2 == 1
        return self._covers(self.hours, day, minute)

    def is_range_open(self, name: str, day: date, minute: int) -> bool:
        """Say whether a range called `name` is open then. False when no range bears the name."""
        hours = self.named.get(name)
        return hours is not None and self._covers(hours, day, minute)

    def next_opening(self, day: date, minute: int) -> tuple[date, int] | None:
        """Return the day and the minute of the week when a schedule closed at `minute` of `day` opens next.

        None when it does not within 60 days.
        """
        monday = day - timedelta(days=day.weekday())
        for week in range(OPENING_LOOKED_FOR_DAYS // 7 + 1):
            for opening in self.openings if week else self.openings[bisect_right(self.openings, minute) :]:
                opens = monday + timedelta(days=7 * week + opening // DAY_MINUTES)
                if self.is_open_on(opens, opening):
                    return opens, opening
        return None

    def describe_closed(self, day: date, minute: int) -> str:
        """Say for people what time it is where it is closed, why if it is a day off, and when it opens."""
        why = f" ({self.off[day]})" if day in self.off else ""
        return f"{minute_name(minute)} in {self.time_zone}{why}, {self._describe_opening(day, minute)}"

    def _describe_opening(self, day: date, minute: int) -> str:
        found = self.next_opening(day, minute)
        if found is None:
            return "never opens" if not self.openings else f"not open for {OPENING_LOOKED_FOR_DAYS} days"
        opens, opening = found
        dated = f" on {opens}" if (opens - day).days >= 7 else ""
        return f"opens {minute_name(opening)}{dated}"

    def _covers(self, hours: Hours, day: date, minute: int) -> bool:
        today = day not in self.off and bisect_right(hours.own, minute) % 2 == 1
        return today or (day - _ONE_DAY not in self.off and bisect_right(hours.night, minute) % 2 == 1)


def local_time(now: datetime, time_zone: str) -> datetime:
    """Return `now` on the wall clock of `time_zone`. Raises ValueError for a `now` without zone."""
    if now.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return now.astimezone(_zone(time_zone))


def minute_of_week(local: datetime) -> int:
    """Return the minute of the week (0 = Monday 00:00) that a wall clock shows."""
    return local.weekday() * DAY_MINUTES + local.hour * 60 + local.minute


def minute_name(minute: int) -> str:
    """Write a minute of the week for people: Tue 21:04."""
    day, rest = divmod(minute % WEEK_MINUTES, DAY_MINUTES)
    return f"{DAY_NAMES[day]} {rest // 60:02d}:{rest % 60:02d}"


def always_open(time_zone: str) -> dict[str, object]:
    """Return the JSON of a schedule that never closes."""
    return {"time_zone": time_zone, "ranges": [{"days": list(range(7)), "from": "00:00", "to": "24:00"}]}


def parse_schedule(value: object, holidays: Holidays | None = None) -> Schedule:
    """Read a schedule from its JSON. `holidays` is calendar -> day (ISO) -> name, of the calendars that may be named.

    Raises ScheduleError with every problem and its place.
    """
    if not isinstance(value, Mapping):
        raise ScheduleError(["a schedule is an object with time_zone and ranges"])
    problems: list[str] = [f"{key}: not known" for key in value if key not in _KEYS]
    time_zone = value.get("time_zone")
    if not isinstance(time_zone, str) or not _zone_exists(time_zone):
        problems.append(f"time_zone: {time_zone!r} is not a time zone like America/New_York")
    ranges = list(_read_ranges("ranges", value.get("ranges"), problems))
    breaks = list(_read_ranges("breaks", value.get("breaks", []), problems))
    off = _read_holidays(value.get("holidays"), holidays or {}, problems)
    off |= _read_closed_days(value.get("closed_days", []), problems)
    if problems:
        raise ScheduleError(problems)
    return _build(str(time_zone), ranges, breaks, off)


def calendar_named(value: object) -> str | None:
    """Return the holiday calendar that a schedule's JSON goes by; None when none or not a name."""
    holidays = value.get("holidays") if isinstance(value, Mapping) else None
    name = holidays.get("calendar") if isinstance(holidays, Mapping) else None
    return name if isinstance(name, str) else None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Range:
    """One entry of `ranges` or `breaks` in minutes of the day; `end` is beyond the day for a night shift."""

    days: Sequence[int]
    start: int
    end: int
    name: str


def _build(
    time_zone: str, ranges: Sequence[_Range], breaks: Sequence[_Range], off: Mapping[date, str]
) -> Schedule:
    pauses = _join([*_own_pieces(breaks), *_night_pieces(breaks)])
    own = list(_without(_own_pieces(ranges), pauses))
    night = list(_without(_night_pieces(ranges), pauses))
    names = {one.name for one in ranges if one.name}
    return Schedule(
        time_zone=time_zone,
        hours=Hours(own=_join(own), night=_join(night)),
        boundaries=_join([*own, *night]),
        openings=tuple(sorted({start for start, _ in (*own, *night)})),
        named={name: _hours_named(name, ranges, pauses) for name in sorted(names)},
        off=off,
    )


def _hours_named(name: str, ranges: Iterable[_Range], pauses: Sequence[int]) -> Hours:
    of_name = [one for one in ranges if one.name == name]
    return Hours(
        own=_join(_without(_own_pieces(of_name), pauses)),
        night=_join(_without(_night_pieces(of_name), pauses)),
    )


def _own_pieces(ranges: Iterable[_Range]) -> Iterator[Piece]:
    """Yield the minutes of the week that ranges cover on the days they name."""
    for one in ranges:
        for day in one.days:
            midnight = day * DAY_MINUTES
            yield midnight + one.start, midnight + min(one.end, DAY_MINUTES)


def _night_pieces(ranges: Iterable[_Range]) -> Iterator[Piece]:
    """Yield the minutes of the week that ranges cover on the day after."""
    for one in ranges:
        for day in one.days if one.end > DAY_MINUTES else ():
            midnight = (day + 1) % 7 * DAY_MINUTES
            yield midnight, midnight + one.end - DAY_MINUTES


def _without(pieces: Iterable[Piece], pauses: Sequence[int]) -> Iterator[Piece]:
    """Yield what pauses leave of each piece."""
    for start, end in pieces:
        at = start
        for begins, ends in zip(pauses[::2], pauses[1::2], strict=True):
            if begins < end and ends > at:
                if begins > at:
                    yield at, begins
                at = ends
        if at < end:
            yield at, end


def _read_holidays(value: object, holidays: Holidays, problems: list[str]) -> dict[date, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        problems.append("holidays: not an object with calendar and, maybe, open_on")
        return {}
    problems.extend(f"holidays.{key}: not known" for key in value if key not in ("calendar", "open_on"))
    name = value.get("calendar")
    if not isinstance(name, str) or name not in holidays:
        problems.append(f"holidays.calendar: {name!r:.80} is not a holiday calendar like US or US-OH")
        return {}
    days, open_on = holidays[name], value.get("open_on", [])
    known = {holiday for names in days.values() for holiday in _each_holiday(names)}
    if not isinstance(open_on, list):
        problems.append("holidays.open_on: not a list of holidays")
        return {}
    for index, one in enumerate(open_on):
        if one not in tuple(known):
            problems.append(f"holidays.open_on[{index}]: {one!r:.80} is not a holiday of {name}")
    return {
        date.fromisoformat(day): names
        for day, names in days.items()
        if not all(holiday in open_on for holiday in _each_holiday(names))
    }


def _each_holiday(names: str) -> list[str]:
    """Take apart what falls on one day: "Christmas Day (observed); Founders Day"."""
    return [name.removesuffix(OBSERVED) for name in names.split("; ")]


def _read_closed_days(value: object, problems: list[str]) -> dict[date, str]:
    if not isinstance(value, list) or len(value) > MAXIMUM_CLOSED_DAYS:
        problems.append(f"closed_days: not a list of at most {MAXIMUM_CLOSED_DAYS} days like 2026-12-24")
        return {}
    days: dict[date, str] = {}
    for index, text in enumerate(value):
        try:
            days[read_day(text)] = "closed that day"
        except ValueError as error:
            problems.append(f"closed_days[{index}]: {error}")
    return days


def _read_ranges(place: str, ranges: object, problems: list[str]) -> Iterator[_Range]:
    if not isinstance(ranges, list):
        problems.append(f"{place}: not a list")
        return
    if len(ranges) > MAXIMUM_RANGES:
        problems.append(f"{place}: more than {MAXIMUM_RANGES}")
        return
    for index, entry in enumerate(ranges):
        yield from _read_range(f"{place}[{index}]", entry, problems, may_have_name=place == "ranges")


def _read_range(place: str, entry: object, problems: list[str], *, may_have_name: bool) -> Iterator[_Range]:
    if not isinstance(entry, Mapping):
        problems.append(f"{place}: not an object with days, from and to")
        return
    known = ("days", "from", "to", "name") if may_have_name else ("days", "from", "to")
    problems.extend(f"{place}.{key}: not known" for key in entry if key not in known)
    days = _read_days(f"{place}.days", entry.get("days"), problems)
    start = _read_time(f"{place}.from", entry.get("from"), problems)
    end = _read_time(f"{place}.to", entry.get("to"), problems)
    name = _read_name(f"{place}.name", entry.get("name", ""), problems)
    if start is None or end is None:
        return
    if start == DAY_MINUTES:
        problems.append(f"{place}.from: 24:00 ends a day, it does not begin one")
    if start == end:
        problems.append(f"{place}: from and to are the same; a whole day is 00:00 to 24:00")
    yield _Range(days=days, start=start, end=end if end > start else end + DAY_MINUTES, name=name)


def _read_name(place: str, name: object, problems: list[str]) -> str:
    if isinstance(name, str) and len(name) <= MAXIMUM_NAME_CHARACTERS and (name.isprintable() or not name):
        return name
    problems.append(f"{place}: not a text of at most {MAXIMUM_NAME_CHARACTERS} characters")
    return ""


def _read_days(place: str, days: object, problems: list[str]) -> Sequence[int]:
    if not isinstance(days, list) or not days:
        problems.append(f"{place}: not a list of days (0 = Monday … 6 = Sunday)")
        return ()
    for day in days:
        if not isinstance(day, int) or isinstance(day, bool) or not 0 <= day <= 6:
            problems.append(f"{place}: {day!r} is not a day (0 = Monday … 6 = Sunday)")
            return ()
    if len(set(days)) < len(days):
        problems.append(f"{place}: a day is named twice")
    return days


def _read_time(place: str, text: object, problems: list[str]) -> int | None:
    """Read "HH:MM" into minutes of the day, 24:00 included."""
    minutes = minutes_of_day(text) if isinstance(text, str) else None
    if minutes is None:
        problems.append(f"{place}: {text!r} is not a time like 08:00")
    return minutes


def _join(pieces: Iterable[Piece]) -> tuple[int, ...]:
    """Join overlapping and touching pieces, so that the boundaries rise and open and close take turns."""
    joined: list[int] = []
    for start, end in sorted(pieces):
        if joined and start <= joined[-1]:
            joined[-1] = max(joined[-1], end)
        else:
            joined += (start, end)
    return tuple(joined)


def _zone(name: str) -> tzinfo:
    # Imported where it is used: the survival script pays for each import on a caller's time.
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    return ZoneInfo(name)


def _zone_exists(name: str) -> bool:
    try:
        _zone(name)
    except (KeyError, ValueError, OSError):  # not found; not a name; a folder such as "America"
        return False
    return True
