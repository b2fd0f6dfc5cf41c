"""Three accounts of the same calls laid side by side: ours, Asterisk's and the carrier's. Pure."""

from __future__ import annotations

import csv
import datetime as dt
import io
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rules.money import MoneyError, format_dollars, parse_dollars
from rules.telephone import NumberProblem, read_number

NEEDED = ("started_at", "caller", "dialled", "seconds", "cost")
MAXIMUM_ROWS = 1_000_000
MAXIMUM_PROBLEMS = 100
TOLERANCE_SECONDS = 1
"""Two clocks round a length differently by so much."""


class CdrError(ValueError):
    """A carrier's file that cannot be read. `problems` names each line and reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, kw_only=True)
class Told:
    """One call as one side tells it. `cost_micros` is None where that side counts no money."""

    name: str
    """The call's id, or the carrier's line."""
    started_at: dt.datetime
    caller: str
    dialled: str
    seconds: int
    cost_micros: int | None = None


@dataclass(frozen=True, kw_only=True)
class OurCall:
    """A call of ours that was answered, and what Asterisk's own rows say of its inbound leg."""

    told: Told
    asterisk_seconds: int | None


class Difference(StrEnum):
    NOT_AT_CARRIER = "not_at_carrier"
    NOT_HERE = "not_here"
    SECONDS = "seconds"
    COST = "cost"
    ASTERISK_SECONDS = "asterisk_seconds"
    NOT_IN_ASTERISK = "not_in_asterisk"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One difference."""

    difference: Difference
    call: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Sums:
    calls: int
    seconds: int
    cost_micros: int | None


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """The sums of each side, and every difference."""

    ours: Sums
    asterisk: Sums
    carrier: Sums
    findings: tuple[Finding, ...]


def read_cdr(data: bytes) -> list[Told]:
    """Read a carrier's CSV file: started_at with its zone, caller, dialled, seconds, cost. Raises CdrError."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CdrError([f"byte {error.start}: not UTF-8; save the file as CSV UTF-8"]) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Told] = []
    problems: list[str] = []
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        problems += [f"line 1: there is no column {name}" for name in NEEDED if name not in header]
        for cells in () if problems else reader:
            if not cells:
                continue
            read = _row(f"line {reader.line_num}", header, cells)
            rows += [read] if isinstance(read, Told) else []
            problems += [] if isinstance(read, Told) else [f"line {reader.line_num}, {read}"]
            if len(rows) > MAXIMUM_ROWS or len(problems) >= MAXIMUM_PROBLEMS:
                problems.append(f"line {reader.line_num}: not read further")
                break
    except csv.Error as error:
        problems.append(f"line {reader.line_num}: {error}")
    if problems:
        raise CdrError(problems)
    return rows


def _row(name: str, header: Sequence[str], cells: Sequence[str]) -> Told | str:
    if len(cells) != len(header):
        return f"columns: {len(cells)} where the header has {len(header)}; a row is missing its end"
    said = {key: cell.strip() for key, cell in zip(header, cells, strict=True)}
    try:
        started_at = dt.datetime.fromisoformat(said["started_at"])
    except ValueError:
        return f"started_at: {said['started_at']!r:.40} is not a time like 2026-11-24T10:00:00Z"
    if started_at.tzinfo is None:
        return f"started_at: {said['started_at']!r:.40} has no zone; add a Z when the carrier means UTC"
    if not (said["seconds"].isascii() and said["seconds"].isdigit() and len(said["seconds"]) < 8):
        return f"seconds: {said['seconds']!r:.40} is not a number of whole seconds"
    try:
        cost = parse_dollars(said["cost"])
    except MoneyError as error:
        return f"cost: {error}"
    return Told(
        name=name,
        started_at=started_at,
        caller=digits(said["caller"]),
        dialled=digits(said["dialled"]),
        seconds=int(said["seconds"]),
        cost_micros=cost,
    )


def digits(number: str) -> str:
    """Return a number as all sides can be compared by: the digits of its E.164; '' when it is withheld."""
    read = read_number(number)
    if isinstance(read, NumberProblem):
        return "".join(one for one in number if one.isascii() and one.isdigit())
    return read.removeprefix("+") if isinstance(read, str) else ""


def reconcile(ours: Sequence[OurCall], carrier: Sequence[Told], within: dt.timedelta) -> Reconciliation:
    """Match each call with the carrier's nearest of the same numbers, and list every difference."""
    unmatched = _by_numbers(carrier)
    findings: list[Finding] = []
    for call in sorted(ours, key=lambda one: one.told.started_at):
        findings += _against_asterisk(call)
        theirs = _take_nearest(unmatched.get((call.told.caller, call.told.dialled), []), call.told, within)
        findings += _against_carrier(call.told, theirs)
    for rows in unmatched.values():
        findings += [
            Finding(
                difference=Difference.NOT_HERE,
                call=row.name,
                detail=f"{row.caller or 'withheld'} to {row.dialled} at {row.started_at.isoformat()}, {row.seconds} s,"
                f" {format_dollars(row.cost_micros or 0)}",
            )
            for row in rows
        ]
    seen = [call.asterisk_seconds for call in ours if call.asterisk_seconds is not None]
    return Reconciliation(
        ours=_sums([call.told for call in ours]),
        asterisk=Sums(calls=len(seen), seconds=sum(seen), cost_micros=None),
        carrier=_sums(carrier),
        findings=tuple(findings),
    )


def _by_numbers(rows: Sequence[Told]) -> dict[tuple[str, str], list[Told]]:
    found: dict[tuple[str, str], list[Told]] = {}
    for row in sorted(rows, key=lambda one: one.started_at):
        found.setdefault((row.caller, row.dialled), []).append(row)
    return found


def _take_nearest(rows: list[Told], call: Told, within: dt.timedelta) -> Told | None:
    """Take the carrier's row that started nearest to the call, if one did within the tolerance."""
    place = bisect_left(rows, call.started_at, key=lambda one: one.started_at)
    near = [index for index in (place - 1, place) if 0 <= index < len(rows)]
    best = min(near, key=lambda index: abs(rows[index].started_at - call.started_at), default=None)
    if best is None or abs(rows[best].started_at - call.started_at) > within:
        return None
    return rows.pop(best)


def _against_asterisk(call: OurCall) -> list[Finding]:
    told, seen = call.told, call.asterisk_seconds
    if seen is None:
        return [_found(Difference.NOT_IN_ASTERISK, told, "Asterisk has no answer and hang-up of it")]
    if abs(seen - told.seconds) > TOLERANCE_SECONDS:
        detail = f"we say {told.seconds} s, Asterisk's rows say {seen} s"
        return [_found(Difference.ASTERISK_SECONDS, told, detail)]
    return []


def _against_carrier(ours: Told, theirs: Told | None) -> list[Finding]:
    if theirs is None:
        return [_found(Difference.NOT_AT_CARRIER, ours, f"{ours.seconds} s at {ours.started_at.isoformat()}")]
    findings = []
    if abs(theirs.seconds - ours.seconds) > TOLERANCE_SECONDS:
        detail = f"we say {ours.seconds} s, the carrier {theirs.seconds} s ({theirs.name})"
        findings.append(_found(Difference.SECONDS, ours, detail))
    if ours.cost_micros != theirs.cost_micros:
        costs = f"we say {format_dollars(ours.cost_micros or 0)}, the carrier {format_dollars(theirs.cost_micros or 0)}"
        findings.append(_found(Difference.COST, ours, f"{costs} ({theirs.name})"))
    return findings


def _found(difference: Difference, call: Told, detail: str) -> Finding:
    return Finding(difference=difference, call=call.name, detail=detail)


def _sums(rows: Sequence[Told]) -> Sums:
    return Sums(
        calls=len(rows),
        seconds=sum(row.seconds for row in rows),
        cost_micros=sum(row.cost_micros or 0 for row in rows),
    )
