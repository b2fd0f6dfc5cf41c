"""A week of hours by the day, as a buyer's form has it, and what of it lies within the hours agreed. Pure.

The house's hours stay the frame: time zone, breaks, holidays and closed days are kept, and so are the names of its
ranges, for caps go by them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rules.fact_kinds import DAY_MINUTES, minutes_of_day
from rules.schedule import DAY_NAMES, WEEK_MINUTES

RANGES_A_DAY = 2
RANGES_A_DAY_MAXIMUM = 6

Span = tuple[str, str]
"""From and to, as HH:MM on the schedule's own wall clock; empty: not said."""
Week = tuple[tuple[Span, ...], ...]
"""Seven days from Monday, each with its hours."""


@dataclass(frozen=True, kw_only=True)
class DayProblem:
    """What is wrong with the hours of a day (0 = Monday)."""

    day: int
    problem: str


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """Minutes of the week, [start, end); `end` goes beyond the week where a Sunday's night does."""

    start: int
    end: int
    name: str = ""


def week_of(schedule: Mapping[str, Any]) -> Week:
    """Return a schedule's hours by the day they begin on."""
    days: list[list[Span]] = [[] for _ in DAY_NAMES]
    for one in schedule.get("ranges", ()):
        for day in one["days"]:
            days[day].append((one["from"], one["to"]))
    return tuple(tuple(sorted(spans)) for spans in days)


def hours_text(spans: Sequence[Span]) -> str:
    """Return a day's hours for people."""
    return ", ".join(f"{start}–{end}" for start, end in spans) or "closed"


def narrowed(house: Mapping[str, Any], week: Week) -> dict[str, Any] | list[DayProblem]:
    """Return the house's schedule cut down to `week`, or what of the week cannot be right or lies outside it."""
    wanted, problems = _read(week)
    if problems:
        return problems
    if not any(wanted):
        return [
            DayProblem(day=0, problem="Every day is closed: to stop all calls, pause the target instead.")
        ]
    agreed = list(_pieces_of(house))
    problems = [
        DayProblem(day=day, problem=problem)
        for day, pieces in enumerate(wanted)
        for piece in pieces
        if (problem := _outside(piece, agreed))
    ]
    if problems:
        return problems
    kept = [cut for pieces in wanted for piece in pieces for cut in _within(piece, agreed)]
    return {**house, "ranges": _ranges(kept)}


def _read(week: Week) -> tuple[list[list[_Piece]], list[DayProblem]]:
    found: list[list[_Piece]] = []
    problems: list[DayProblem] = []
    for day, spans in enumerate(week):
        found.append([])
        for start_text, end_text in spans:
            if not start_text and not end_text:
                continue
            piece = _piece(day, start_text, end_text)
            if isinstance(piece, str):
                problems.append(DayProblem(day=day, problem=piece))
            else:
                found[-1].append(piece)
    return found, problems


def _piece(day: int, start_text: str, end_text: str) -> _Piece | str:
    start, end = minutes_of_day(start_text), minutes_of_day(end_text)
    if start is None or end is None or start == DAY_MINUTES:
        return "Write both times like 08:00, or leave both empty."
    if end == 0:
        # A browser's clock knows no 24:00.
        end = DAY_MINUTES
    if start == end:
        return "Both times are the same; a whole day is 00:00 to 24:00."
    midnight = day * DAY_MINUTES
    return _Piece(start=midnight + start, end=midnight + end + (0 if end > start else DAY_MINUTES))


def _pieces_of(schedule: Mapping[str, Any]) -> Iterator[_Piece]:
    for one in schedule.get("ranges", ()):
        for day in one["days"]:
            piece = _piece(day, one["from"], one["to"])
            if isinstance(piece, _Piece):
                yield _Piece(start=piece.start, end=piece.end, name=str(one.get("name", "")))


def _within(piece: _Piece, agreed: Sequence[_Piece]) -> Iterator[_Piece]:
    """Yield what of a piece each agreed one covers, a week earlier and later as well."""
    for other in agreed:
        for shift in (-WEEK_MINUTES, 0, WEEK_MINUTES):
            start, end = max(piece.start, other.start + shift), min(piece.end, other.end + shift)
            if start < end:
                yield _Piece(start=start, end=end, name=other.name)


def _outside(piece: _Piece, agreed: Sequence[_Piece]) -> str:
    """Say which of the minutes nobody agreed to; empty when all are agreed."""
    at = piece.start
    for cut in sorted(_within(piece, agreed), key=lambda one: one.start):
        if cut.start > at:
            return _not_agreed(at, cut.start)
        at = max(at, cut.end)
    return _not_agreed(at, piece.end) if at < piece.end else ""


def _not_agreed(start: int, end: int) -> str:
    day = DAY_NAMES[start // DAY_MINUTES % 7]
    return f"{day} {_clock(start)} to {_clock(end, is_end=True)} lies outside the hours agreed with us."


def _clock(minute: int, *, is_end: bool = False) -> str:
    rest = minute % DAY_MINUTES
    return "24:00" if is_end and not rest else f"{rest // 60:02d}:{rest % 60:02d}"


def _ranges(pieces: Sequence[_Piece]) -> list[dict[str, Any]]:
    """Return pieces as a schedule's ranges, days with the same hours together."""
    days: dict[tuple[str, str, str], set[int]] = {}
    for one in pieces:
        key = (_clock(one.start), _clock(one.end, is_end=True), one.name)
        days.setdefault(key, set()).add(one.start // DAY_MINUTES % 7)
    return [
        {"days": sorted(of), "from": start, "to": end, **({"name": name} if name else {})}
        for (start, end, name), of in sorted(days.items())
    ]
