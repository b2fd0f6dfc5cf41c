"""What a visitor asks of the audit log: filter and place in it. Pure, and bounded whatever an address holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from web.api.cursor import read_cursor as read_place
from web.api.cursor import write_cursor

PAGE_LENGTH = 50
TYPED_LENGTH_MAXIMUM = 254

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """A place in the log: just below this note."""

    at: datetime
    note_id: int

    def __str__(self) -> str:
        return write_cursor([(self.at - _EPOCH) // timedelta(microseconds=1), self.note_id])


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which notes to show; an empty field shows all. From `since` to before `until`."""

    actor: str = ""
    kind: str = ""
    ref: str = ""
    action: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Typed:
    """The filter as it stands in the address, days in the visitor's zone."""

    person: str = ""
    kind: str = ""
    ref: str = ""
    action: str = ""
    since: str = ""
    until: str = ""

    @property
    def is_set(self) -> bool:
        return self != Typed()

    def query(self, **more: str) -> str:
        """Return this filter as the query of an address, `?` included when there is one."""
        fields = {
            "person": self.person,
            "kind": self.kind,
            "ref": self.ref,
            "action": self.action,
            "from": self.since,
            "to": self.until,
            **more,
        }
        given = {name: value for name, value in fields.items() if value}
        return f"?{urlencode(given)}" if given else ""

    def only(self, **fields: str) -> str:
        """Return the query of an address that shows one person or one thing, over the same days."""
        return Typed(since=self.since, until=self.until, **fields).query()

    def filter(self, zone: ZoneInfo) -> Filter:
        """Return what to look for; `until` is the last day that is shown, the whole of it."""
        until = _day(self.until)
        return Filter(
            actor=self.person.lower() if "@" in self.person else self.person,
            kind=self.kind,
            ref=self.ref,
            action=self.action,
            since=_start(_day(self.since), zone),
            until=_start(until + timedelta(days=1) if until and until < date.max else None, zone),
        )


def read_typed(query: Mapping[str, str]) -> Typed:
    """Read the filter of an address. A day that is none is left out."""

    def text(name: str) -> str:
        found = query.get(name, "").replace("\x00", "").strip()[:TYPED_LENGTH_MAXIMUM]
        return "".join(c for c in found if not "\ud800" <= c <= "\udfff")

    def day(name: str) -> str:
        return text(name) if _day(text(name)) else ""

    return Typed(
        person=text("person"),
        kind=text("kind"),
        ref=text("ref"),
        action=text("action"),
        since=day("from"),
        until=day("to"),
    )


def read_cursor(text: str) -> Cursor | None:
    """Read a place in the log; None is its top."""
    found = read_place(text, (int, int))
    if found is None:
        return None
    try:
        return Cursor(at=_EPOCH + timedelta(microseconds=int(found[0])), note_id=int(found[1]))
    except (ValueError, OverflowError):
        return None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


def _start(day: date | None, zone: ZoneInfo) -> datetime | None:
    """Return when a day begins. The first and the last of all days cannot be told in every zone: no bound then."""
    try:
        return None if day is None else datetime.combine(day, time(), zone).astimezone(UTC)
    except OverflowError:
        return None
