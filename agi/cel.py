"""Asterisk's channel event log: lines to rows, rows of one linkedid to a CallRecord. Pure.

The file's columns are asterisk_conf's: event, time (seconds.microseconds), uniqueid, linkedid, channel, application,
account, peer, extra, clock. The rows come from outside: names and extras may hold anything.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from billing.call_record import NO_STEP, CallRecord, LegRecord, Step, Witness
from rules.telephone import known_number

COLUMNS = 10
COLUMNS_BEFORE_CLOCK = 9
"""Rows of an Asterisk that was not restarted since there is a clock column."""
MAXIMUM_LINE_BYTES = 64 * 1024
_TIME = re.compile(r"([0-9]{9,11})\.([0-9]{6})")
_IDENTIFIER = re.compile(r"[0-9A-Za-z._:;-]{1,150}")
_EVENT = re.compile(r"[0-9A-Za-z_-]{1,80}")
_TARGET_CHANNEL = re.compile(r"PJSIP/target-([0-9]{1,18})-")
_CLOCK = re.compile(r"([0-9]{1,9}) (-?[0-9]{1,15})")


@dataclass(frozen=True, kw_only=True)
class CelRow:
    """One row. `event` is Asterisk's event name, or the user event's own; `event_us` is epoch microseconds."""

    event: str
    event_us: int
    uniqueid: str
    linkedid: str
    channel: str
    extra: str
    clock: str = ""
    """How far the wall clock was from a clock that nobody sets (clock_of)."""

    @property
    def event_ms(self) -> int:
        return self.event_us // 1000


@dataclass(frozen=True, kw_only=True)
class Clock:
    """The wall clock less the time since boot, as agi.clock keeps it. Two of one watch can be compared."""

    watch: int
    offset_ms: int


@dataclass(frozen=True, kw_only=True)
class RefusedLine:
    """A line that cannot be a row, and why."""

    problem: str


@dataclass(frozen=True, kw_only=True)
class LeftBehind:
    """What a caller left whom nobody took. `recording` is a file's name in the node's voicemail folder."""

    kind: str
    recording: str | None = None
    detail: Mapping[str, str | int]


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """A fixed number that a flow had rung: nobody's leg, nobody's bill. Times are epoch milliseconds."""

    number: str
    answered_ms: int | None
    ended_ms: int
    cause: int | None


def parse_line(data: bytes) -> CelRow | RefusedLine:
    """Read one line of the file."""
    if len(data) > MAXIMUM_LINE_BYTES:
        return RefusedLine(problem=f"a line of {len(data)} bytes")
    text = data.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}").rstrip("\r")
    try:
        records = list(csv.reader([text], strict=True))
    except csv.Error as problem:
        return RefusedLine(problem=f"not CSV: {problem}")
    if len(records) != 1 or len(records[0]) not in (COLUMNS, COLUMNS_BEFORE_CLOCK):
        return RefusedLine(problem=f"{len(records[0]) if records else 0} columns, not {COLUMNS}")
    event, time, uniqueid, linkedid, channel, _, _, _, extra, *clock = records[0]
    moment = _TIME.fullmatch(time)
    if moment is None:
        return RefusedLine(problem="the time is not seconds.microseconds")
    if not (_EVENT.fullmatch(event) and _IDENTIFIER.fullmatch(uniqueid) and _IDENTIFIER.fullmatch(linkedid)):
        return RefusedLine(problem="event, uniqueid or linkedid is not a name")
    return CelRow(
        event=event,
        event_us=int(moment[1]) * 1_000_000 + int(moment[2]),
        uniqueid=uniqueid,
        linkedid=linkedid,
        channel=channel,
        extra=extra,
        clock="".join(clock),
    )


def clock_of(text: str) -> Clock | None:
    """Read a clock; None when there is none."""
    found = _CLOCK.fullmatch(text)
    return Clock(watch=int(found[1]), offset_ms=int(found[2])) if found else None


def step_between(first: CelRow | None, last: CelRow | None) -> Step:
    """Return by how much the wall clock was set between two rows."""
    before, after = (None if row is None else clock_of(row.clock) for row in (first, last))
    if before is None or after is None or before == after:
        return NO_STEP
    if before.watch != after.watch:
        return Step(moved_ms=0, unseen=True)
    return Step(moved_ms=after.offset_ms - before.offset_ms)


def user_fields(row: CelRow) -> dict[str, str]:
    """Return the key=value pairs of a user event; what is not a pair is left out."""
    text = row.extra
    if text.startswith("{"):
        try:
            inner = json.loads(text).get("extra", "")
        except (ValueError, AttributeError):
            inner = ""
        text = inner if isinstance(inner, str) else ""
    return dict(pair.split("=", 1) for pair in text.split() if "=" in pair)


def dialled_number(text: str) -> str:
    """Return what was dialled as E.164; as it is when it is no number."""
    return known_number(text) or text


def leg_of(row: CelRow) -> LegRecord | None:
    """Return what a LEG event says; None when it does not say enough to bill by."""
    fields = user_fields(row)
    attempt, ended_ms = _integer(fields.get("attempt"), maximum=999), _integer(fields.get("ended"))
    if attempt is None or ended_ms is None:
        return None
    return LegRecord(
        attempt=attempt,
        target_id=_integer(fields.get("target")) or _target_of(row.channel),
        answered_ms=_integer(fields.get("answered")),
        ended_ms=ended_ms,
        cause=_integer(fields.get("cause"), maximum=999),
        witness=Witness.LEG,
    )


VOICEMAIL, CALL_BACK = "voicemail", "call_back"
SHORTEST_VOICEMAIL_MS = 1000


def left_behind(row: CelRow) -> LeftBehind | None:
    """Return what a LEFT event says; None for what nobody need look at: a message of less than a second."""
    fields = user_fields(row)
    if fields.get("kind") == CALL_BACK:
        # Which words were said yes to, and how: a call back wants consent (FACTS 11).
        return LeftBehind(kind=CALL_BACK, detail={name: fields.get(name, "") for name in ("key", "prompt")})
    begun_ms, until_ms = _integer(fields.get("from")), _integer(fields.get("until"))
    if fields.get("kind") != VOICEMAIL or begun_ms is None or until_ms is None:
        return None
    length_ms = until_ms - begun_ms
    if length_ms < SHORTEST_VOICEMAIL_MS:
        return None
    return LeftBehind(
        kind=VOICEMAIL,
        recording=f"{row.uniqueid}.wav",
        detail={"length_ms": length_ms, "status": fields.get("status", "")},
    )


def transfer_of(row: CelRow) -> Transfer | None:
    """Return what a TRANSFER event says; None when it does not say enough."""
    fields = user_fields(row)
    ended_ms = _integer(fields.get("ended"))
    if ended_ms is None:
        return None
    return Transfer(
        number=fields.get("number", ""),
        answered_ms=_integer(fields.get("answered")),
        ended_ms=ended_ms,
        cause=_integer(fields.get("cause"), maximum=999),
    )


def call_record(rows: Sequence[CelRow], *, died_ms: int | None = None) -> CallRecord | None:
    """Fold all rows of one linkedid, in file order, into a record; None when they tell of no call.

    `died_ms` is the last moment the Asterisk of the call was seen alive, for a call without LINKEDID_END. Doubled rows
    change nothing.
    """
    if not rows:
        return None
    end = _first(rows, "LINKEDID_END")
    last_row_ms = max(row.event_ms for row in rows)
    ended_ms = end.event_ms if end else max(last_row_ms, died_ms or 0)
    call = _first(rows, "CALL")
    fields = user_fields(call) if call else {}
    start, answer = _start(rows), _first((row for row in rows if row.uniqueid == row.linkedid), "ANSWER")
    return CallRecord(
        linkedid=rows[0].linkedid,
        started_ms=start.event_ms,
        ended_ms=ended_ms,
        answered_ms=answer.event_ms if answer else None,
        step=step_between(answer or start, end or rows[-1]),
        whole_step=step_between(start, end or rows[-1]),
        dialled=dialled_number(fields.get("dialled", "")),
        caller=known_number(fields.get("caller", "")),
        trunk_name=fields.get("trunk") or None,
        legs=_marked(_legs(rows, ended_ms, dead=end is None), _dropped(rows)),
        dial_statuses=_dial_statuses(rows),
        transferred=any(row.event == "TRANSFER" and _talked(transfer_of(row)) for row in rows),
        complete=end is not None,
    )


def _talked(transfer: Transfer | None) -> bool:
    return transfer is not None and transfer.answered_ms is not None


def _start(rows: Sequence[CelRow]) -> CelRow:
    own = [row for row in rows if row.uniqueid == row.linkedid]
    return _first(own, "CHAN_START") or _first(own, "CALL") or min(rows, key=lambda row: row.event_us)


def _marked(legs: Iterable[LegRecord], dropped: frozenset[int]) -> tuple[LegRecord, ...]:
    return tuple(replace(leg, dropped=True) if leg.attempt in dropped else leg for leg in legs)


def _legs(rows: Sequence[CelRow], ended_ms: int, *, dead: bool) -> tuple[LegRecord, ...]:
    by_channel: dict[str, list[CelRow]] = {}
    for row in rows:
        if row.uniqueid != row.linkedid and row.channel:
            by_channel.setdefault(row.uniqueid, []).append(row)
    told = {uniqueid: _leg_told(own) for uniqueid, own in by_channel.items()}
    taken = {leg.attempt for leg in told.values() if leg}
    legs: dict[int, LegRecord] = {}
    attempt = 0
    for uniqueid, own in by_channel.items():
        leg = told[uniqueid]
        if leg is None:
            attempt = _next_free(attempt, taken)
            leg = _leg_seen(own, attempt, ended_ms, dead=dead)
        if leg is not None:
            attempt = leg.attempt
            taken.add(attempt)
            legs.setdefault(attempt, leg)
    return tuple(legs[number] for number in sorted(legs))


def _leg_told(own: Sequence[CelRow]) -> LegRecord | None:
    """The leg by its own hangup handler, with the channel's clock as second witness."""
    event = _first(own, "LEG")
    leg = leg_of(event) if event else None
    answer, hangup = _taken(own), _hangup(own)
    if leg is None or answer is None:
        return leg
    leg = replace(leg, step=step_between(answer, event))
    if hangup is None:
        return leg
    by_wall_ms = (hangup.event_us - answer.event_us) // 1000
    return replace(leg, channel_connected_ms=step_between(answer, hangup).taken_from(by_wall_ms))


def _taken(own: Sequence[CelRow]) -> CelRow | None:
    """When the buyer took the call by its channel's clock: at its answer, or after what it was told and pressed."""
    return _first(own, "ACCEPTED" if _first(own, "WHISPER") else "ANSWER")


def _leg_seen(own: Sequence[CelRow], attempt: int, ended_ms: int, *, dead: bool) -> LegRecord | None:
    """The leg by its channel's rows alone: only a target's channel is a leg."""
    target_id = _target_of(own[0].channel)
    if target_id is None:
        return None
    answer, hangup = _taken(own), _hangup(own)
    return LegRecord(
        attempt=attempt,
        target_id=target_id,
        answered_ms=answer.event_ms if answer else None,
        ended_ms=hangup.event_ms if hangup else ended_ms,
        cause=_cause(hangup),
        step=step_between(answer, hangup),
        witness=Witness.LAST_WITNESS if dead and hangup is None else Witness.CHANNEL,
    )


def _dial_statuses(rows: Iterable[CelRow]) -> Mapping[int, str]:
    """The status of each leg's attempt: those that rang together share one."""
    statuses: dict[int, str] = {}
    for row in rows:
        if row.event == "DIALEND":
            fields = user_fields(row)
            first = _integer(fields.get("attempt"), maximum=999)
            together = _integer(fields.get("legs"), maximum=10) or 1
            for attempt in range(first, first + together) if first is not None else ():
                statuses.setdefault(attempt, fields.get("status", ""))
    return statuses


def _dropped(rows: Iterable[CelRow]) -> frozenset[int]:
    """The attempts whose buyer hung up so soon that the call went on to the next."""
    told = (_integer(user_fields(row).get("attempt")) for row in rows if row.event == "DROPPED")
    return frozenset(attempt for attempt in told if attempt is not None)


def _cause(hangup: CelRow | None) -> int | None:
    if hangup is None:
        return None
    try:
        cause = json.loads(hangup.extra).get("hangupcause")
    except (ValueError, AttributeError):
        return None
    return cause if isinstance(cause, int) and 0 <= cause <= 999 else None


def _hangup(own: Sequence[CelRow]) -> CelRow | None:
    return _first(own, "HANGUP") or _first(own, "CHAN_END")


def _first(rows: Iterable[CelRow], event: str) -> CelRow | None:
    return next((row for row in rows if row.event == event), None)


def _next_free(attempt: int, taken: set[int]) -> int:
    attempt += 1
    while attempt in taken:
        attempt += 1
    return attempt


def _target_of(channel: str) -> int | None:
    found = _TARGET_CHANNEL.match(channel)
    return int(found[1]) if found else None


def _integer(text: str | None, *, maximum: int = 10**15 - 1) -> int | None:
    # Epoch milliseconds have 13 digits; more than 15 is not a moment.
    if not text or len(text) > 15 or not (text.isascii() and text.isdigit()):
        return None
    return int(text) if int(text) <= maximum else None
