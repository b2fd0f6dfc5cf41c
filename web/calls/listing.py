"""What a visitor asks of the calls list: filter and place in it. Pure, and bounded whatever an address holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from web.formats import OUTCOMES

PAGE_LENGTH = 50
IN_PROGRESS = "in_progress"
OUTCOME_CHOICES: Mapping[str, str] = {IN_PROGRESS: "In progress", **OUTCOMES}
YES_NO: Mapping[str, str] = {"yes": "Yes", "no": "No"}
LOOKED_AT = 20_000
"""How many calls a search looks at, whatever it finds: then it says how far it came, and goes on when asked to."""
SPREAD_LOOKED_AT = 5_000
"""As many, when they are of one campaign, publisher, buyer or target: they lie far apart, and cost as much."""
MINIMUM_SECONDS_MAXIMUM = 86_400
WHOLE_NUMBER_DIGITS = 10
"""As many digits or more are a whole number, which an index finds; fewer are a part of one."""

FIRST_ID = UUID(int=0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR = re.compile(r"([0-9]{1,17})\.([0-9a-f-]{36})", re.ASCII)
_TAG = re.compile(r"([a-z0-9_.-]{1,60})\s*=\s*(.{1,100})")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_DIGITS_MAXIMUM = 15
_ID_MAXIMUM = 2**63 - 1
_FIRST_YEAR, _LAST_YEAR = 1971, 9990


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """A place in the list: just below this call."""

    started_at: datetime
    call_id: UUID

    def __str__(self) -> str:
        return f"{(self.started_at - _EPOCH) // timedelta(microseconds=1)}.{self.call_id}"


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which calls to show; an empty field shows all. Numbers are digits: any part of what was dialled; of the caller's
    the whole, or an area code."""

    caller: str = ""
    dialled: str = ""
    outcome: str = ""
    campaign_id: int | None = None
    publisher_id: int | None = None
    buyer_id: int | None = None
    target_id: int | None = None
    state: str = ""
    loan_type: str = ""
    tag: str = ""
    """name=value of any other tag."""
    minimum_seconds: int | None = None
    """Connected at least so long."""
    converted: str = ""
    recorded: str = ""
    first: date | None = None
    """On the visitor's calendar, as is"""
    last: date | None = None

    @property
    def is_set(self) -> bool:
        return self != Filter()

    @property
    def indexed(self) -> Filter:
        """The one condition that an index leads by, the rarest first, with the time; nothing but the time for none."""
        found = Filter(first=self.first, last=self.last)
        for name in ("caller", "dialled"):
            if len(getattr(self, name)) >= WHOLE_NUMBER_DIGITS:
                return replace(found, **{name: getattr(self, name)})
        for name in ("target_id", "buyer_id", "publisher_id", "campaign_id"):
            if getattr(self, name) is not None:
                return replace(found, **{name: getattr(self, name)})
        return replace(found, outcome=self.outcome)

    @property
    def looked_at(self) -> int:
        """How many calls a search for this looks at, beside those of the very moment it stops at."""
        led = self.indexed
        spread = (led.target_id, led.buyer_id, led.publisher_id, led.campaign_id) != (None,) * 4
        return SPREAD_LOOKED_AT if spread else LOOKED_AT

    @property
    def is_search(self) -> bool:
        """Whether calls have to be looked at one by one to find those that are wanted."""
        return self != self.indexed

    @property
    def tag_pair(self) -> tuple[str, str] | None:
        match = _TAG.fullmatch(self.tag)
        return None if match is None else (match[1], match[2])

    def fields(self) -> dict[str, str]:
        """Return the filter as an address spells it, what is not asked for left out."""
        spelled = {
            "caller": self.caller,
            "number": self.dialled,
            "outcome": self.outcome,
            "campaign": _text(self.campaign_id),
            "publisher": _text(self.publisher_id),
            "buyer": _text(self.buyer_id),
            "target": _text(self.target_id),
            "state": self.state,
            "loan_type": self.loan_type,
            "tag": self.tag,
            "seconds": _text(self.minimum_seconds),
            "converted": self.converted,
            "recorded": self.recorded,
            "from": _text(self.first),
            "to": _text(self.last),
        }
        return {name: value for name, value in spelled.items() if value}

    def query(self, **more: str) -> str:
        """Return this filter as the query of an address, `?` included when there is one."""
        given = {**self.fields(), **{name: value for name, value in more.items() if value}}
        return f"?{urlencode(given)}" if given else ""


@dataclass(frozen=True, kw_only=True)
class Span:
    """The time that is searched: [start, end), either open. `is_ours`: it stops at `start` by itself."""

    start: datetime | None
    end: datetime | None
    is_ours: bool = False

    @property
    def rest(self) -> Cursor | None:
        """Where a search that stopped goes on; None when it came to the end."""
        return Cursor(started_at=self.start, call_id=FIRST_ID) if self.is_ours and self.start else None


def span_of(wanted: Filter, zone: ZoneInfo) -> Span:
    """Return the time that a filter asks for, days being those of `zone`."""
    start = None if wanted.first is None else _midnight(wanted.first, zone)
    end = None if wanted.last is None else _midnight(wanted.last + timedelta(days=1), zone)
    return Span(start=start, end=end)


def read_filter(query: Mapping[str, str]) -> Filter:
    """Read the filter of an address. What makes no sense is left out."""
    outcome, state = query.get("outcome", ""), query.get("state", "").strip().upper()
    loan_type = query.get("loan_type", "").strip()
    tag, seconds = query.get("tag", "").strip(), _number(query.get("seconds", ""))
    return Filter(
        caller=_digits(query.get("caller", "")),
        dialled=_digits(query.get("number", "")),
        outcome=outcome if outcome in OUTCOME_CHOICES else "",
        campaign_id=_number(query.get("campaign", "")),
        publisher_id=_number(query.get("publisher", "")),
        buyer_id=_number(query.get("buyer", "")),
        target_id=_number(query.get("target", "")),
        state=state if re.fullmatch("[A-Z]{2}", state) else "",
        loan_type=loan_type if re.fullmatch("[a-z0-9_]{1,60}", loan_type) else "",
        tag=tag if _TAG.fullmatch(tag) and tag.isprintable() else "",
        minimum_seconds=None if not seconds else min(seconds, MINIMUM_SECONDS_MAXIMUM),
        converted=_one_of(YES_NO, query.get("converted", "")),
        recorded=_one_of({"yes": ""}, query.get("recorded", "")),
        first=read_day(query.get("from", "")),
        last=read_day(query.get("to", "")),
    )


def read_cursor(query: Mapping[str, str]) -> Cursor | None:
    """Read the place in the list; None is its top."""
    match = _CURSOR.fullmatch(query.get("before", ""))
    if match is None:
        return None
    try:
        return Cursor(started_at=_EPOCH + timedelta(microseconds=int(match[1])), call_id=UUID(match[2]))
    except (ValueError, OverflowError):
        return None


def read_day(text: str) -> date | None:
    """Read a day as browsers send it; None for what is none."""
    if not _DAY.fullmatch(text):
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if _FIRST_YEAR <= day.year <= _LAST_YEAR else None


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _one_of(choices: Mapping[str, str], text: str) -> str:
    return text if text in choices else ""


def _number(text: str) -> int | None:
    is_number = text.isascii() and text.isdigit() and int(text[:20]) <= _ID_MAXIMUM
    return int(text[:20]) if is_number else None


def _digits(text: str) -> str:
    return re.sub(r"[^0-9]", "", text)[:_DIGITS_MAXIMUM]
