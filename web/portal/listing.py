"""What a party asks of the list of its own calls. Pure, and bounded whatever an address holds."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from web.calls.listing import Cursor, read_cursor

PAGE_LENGTH = 50
PAID_CHOICES: Mapping[str, str] = {"yes": "Billed", "no": "Not billed"}
_DIGITS_MAXIMUM = 15

__all__ = ["PAGE_LENGTH", "PAID_CHOICES", "Cursor", "OwnFilter", "read_cursor", "read_day", "read_own_filter"]


@dataclass(frozen=True, kw_only=True)
class OwnFilter:
    """Which of the own calls to show; an empty field shows all. Days are the visitor's."""

    caller: str = ""
    place_id: int | None = None
    """A buyer's target, a publisher's tracking number."""
    paid: str = ""
    first: dt.date | None = None
    last: dt.date | None = None

    @property
    def is_set(self) -> bool:
        return self != OwnFilter()

    def query(self, **more: str) -> str:
        """Return this filter as the query of an address, `?` included when there is one."""
        fields = {
            "caller": self.caller,
            "place": "" if self.place_id is None else str(self.place_id),
            "paid": self.paid,
            "from": "" if self.first is None else self.first.isoformat(),
            "to": "" if self.last is None else self.last.isoformat(),
            **more,
        }
        given = {name: value for name, value in fields.items() if value}
        return f"?{urlencode(given)}" if given else ""


def read_own_filter(query: Mapping[str, str]) -> OwnFilter:
    """Read the filter of an address. What makes no sense is left out."""
    place, paid = query.get("place", ""), query.get("paid", "")
    return OwnFilter(
        caller=re.sub(r"[^0-9]", "", query.get("caller", ""))[:_DIGITS_MAXIMUM],
        place_id=int(place) if re.fullmatch(r"[0-9]{1,18}", place, re.ASCII) else None,
        paid=paid if paid in PAID_CHOICES else "",
        first=read_day(query.get("from", "")),
        last=read_day(query.get("to", "")),
    )


def read_day(text: str) -> dt.date | None:
    """Read a day like 2026-11-24; None when it is none, or one that no call can be of."""
    try:
        day = dt.date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None
    return day if day is not None and 2000 <= day.year < 2200 else None
