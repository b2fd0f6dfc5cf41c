"""One thing in a call's way. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from web.call.facts import Call


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Something that happened. `after_ms` counts from the caller's arrival; `kind` chooses its mark."""

    at: datetime
    after_ms: int
    kind: str
    title: str
    detail: str = ""


def moment(call: Call, at: datetime, kind: str, title: str, detail: str = "") -> Moment:
    """Return a moment of the call; its distance from the arrival is worked out."""
    after_ms = (at - call.started_at) // timedelta(milliseconds=1)
    return Moment(at=at, after_ms=after_ms, kind=kind, title=title, detail=detail)
