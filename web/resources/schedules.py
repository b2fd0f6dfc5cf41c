"""A schedule as rows of a form: days, from, to, name. Pure; what cannot be right is judged by rules.schedule.

What the form does not show (breaks) goes through it unchanged in a hidden field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from rules.holiday_calendars import UnknownCalendar, holidays_of
from rules.schedule import DAY_NAMES, Schedule, ScheduleError, calendar_named, parse_schedule

SPARE_ROWS = 2
ROWS_MAXIMUM = 100
_PLACE = re.compile(r"ranges\[([0-9]+)\]")


class Texts(Protocol):
    def get(self, name: str, /) -> Any: ...

    def getall(self, name: str, default: list[Any], /) -> list[Any]: ...


def parts_of(schedule: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a schedule as the form shows it; none is empty rows."""
    schedule = schedule or {}
    holidays = schedule.get("holidays") or {}
    rows = [
        {
            "days": list(row.get("days", ())),
            "from": row.get("from", ""),
            "to": row.get("to", ""),
            "name": row.get("name", ""),
        }
        for row in schedule.get("ranges", ())
    ]
    return _shown(
        time_zone=schedule.get("time_zone", "America/New_York"),
        rows=rows,
        breaks=json.dumps(schedule.get("breaks", [])),
        calendar=holidays.get("calendar", ""),
        open_on="\n".join(holidays.get("open_on", ())),
        closed_days="\n".join(schedule.get("closed_days", ())),
    )


def typed_parts(name: str, texts: Texts) -> dict[str, Any]:
    """Return what was typed, as it was."""
    return _shown(
        time_zone=_text(texts, f"{name}.time_zone"),
        rows=_rows(name, texts),
        breaks=_text(texts, f"{name}.breaks"),
        calendar=_text(texts, f"{name}.calendar"),
        open_on=_text(texts, f"{name}.open_on"),
        closed_days=_text(texts, f"{name}.closed_days"),
    )


def value_of(name: str, texts: Texts) -> dict[str, Any]:
    """Return the schedule that was typed, as JSON; rows in which nothing was said are left out."""
    return value_of_parts(typed_parts(name, texts))


def value_of_parts(typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schedule that stands in a form."""
    ranges = []
    for row in typed["rows"]:
        if row["days"] or row["from"] or row["to"]:
            kept = {"days": row["days"], "from": row["from"], "to": row["to"]}
            ranges.append({**kept, "name": row["name"]} if row["name"] else kept)
    found: dict[str, Any] = {"time_zone": typed["time_zone"], "ranges": ranges}
    breaks = _breaks(typed["breaks"])
    if breaks:
        found["breaks"] = breaks
    if typed["calendar"]:
        found["holidays"] = {"calendar": typed["calendar"]}
        if open_on := _lines(typed["open_on"]):
            found["holidays"]["open_on"] = open_on
    if closed := _lines(typed["closed_days"]):
        found["closed_days"] = closed
    return found


def _shown(**parts: Any) -> dict[str, Any]:
    spare = [{"days": [], "from": "", "to": "", "name": ""} for _ in range(SPARE_ROWS)]
    rows = [row for row in parts["rows"] if row["days"] or row["from"] or row["to"]]
    return {**parts, "rows": rows + spare, "day_names": DAY_NAMES}


def _rows(name: str, texts: Texts) -> list[dict[str, Any]]:
    rows = []
    for number in range(ROWS_MAXIMUM):
        place = f"{name}.{number}"
        if texts.get(f"{place}.from") is None:
            break
        days = [str(day) for day in texts.getall(f"{place}.days", [])]
        rows.append(
            {
                "days": sorted(int(day) for day in days if day in "0123456" and len(day) == 1),
                "from": _text(texts, f"{place}.from"),
                "to": _text(texts, f"{place}.to"),
                "name": _text(texts, f"{place}.name"),
            }
        )
    return rows


def _breaks(text: str) -> list[Any]:
    try:
        found = json.loads(text or "[]")
    except (ValueError, RecursionError):
        return []
    return found if isinstance(found, list) else []


def _text(texts: Texts, name: str) -> str:
    return str(texts.get(name) or "").strip()


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def checked_schedule(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse what is no schedule. Raises ValueError with each place and reason."""
    read_schedule(value)
    return value


def read_schedule(value: Mapping[str, Any]) -> Schedule:
    """Read a schedule with the holidays it names. Raises ValueError in words."""
    calendar, this_year = calendar_named(value), datetime.now(UTC).year
    try:
        known = {} if calendar is None else {calendar: holidays_of(calendar, range(this_year, this_year + 2))}
        return parse_schedule(value, known)
    except UnknownCalendar as error:
        raise ValueError(str(error)) from error
    except ScheduleError as error:
        problems = (_PLACE.sub(lambda found: f"row {int(found[1]) + 1}", text) for text in error.problems)
        raise ValueError("; ".join(problems)) from error


def describe_schedule(value: Any) -> str:
    """Return the hours of a schedule as a line. Raises ValueError when it is none."""
    read_schedule(value)
    rows = [f"{_days(row['days'])} {row['from']}–{row['to']}" for row in value["ranges"]]
    return f"{'; '.join(rows) or 'Never open'} ({value['time_zone']})"


def _days(days: list[int]) -> str:
    """Return days as Mon–Fri or Mon, Wed."""
    whole = len(days) > 2 and days == list(range(days[0], days[-1] + 1))
    names = [DAY_NAMES[day] for day in days]
    return f"{names[0]}–{names[-1]}" if whole else ", ".join(names)
