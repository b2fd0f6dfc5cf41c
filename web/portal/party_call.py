"""A call's way as its buyer may see it: when it came, what the caller said, when the own desk talked. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from web import formats
from web.portal.call_queries import OwnCall


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Something that happened. `after_ms` counts from the caller's arrival; `kind` chooses its mark."""

    at: datetime
    after_ms: int
    kind: str
    title: str
    detail: str = ""


def party_timeline(call: OwnCall, answers: Sequence[Any], legs: Sequence[Any]) -> tuple[Moment, ...]:
    """Return the moments in order of time; `answers` and `legs` are rows of portal.call_queries."""
    return tuple(sorted(_moments(call, answers, legs), key=lambda moment: moment.at))


def _moments(call: OwnCall, answers: Sequence[Any], legs: Sequence[Any]) -> Iterator[Moment]:
    caller = formats.number(call.caller) if call.caller else "a withheld number"
    yield _moment(call, call.started_at, "start", f"Call from {caller}")
    for answer in answers:
        value = formats.words(answer.value) if answer.value is not None else "nothing usable"
        title = f"{formats.words(answer.tag).capitalize()}: {value}"
        yield _moment(call, answer.answered_at, "answer", title, formats.source(answer.source).capitalize())
    for leg in legs:
        yield from _leg(call, leg)
    if call.ended_at is not None:
        yield _moment(call, call.ended_at, "end", "The call ended")


def _leg(call: OwnCall, leg: Any) -> Iterator[Moment]:
    ended, cause = formats.from_ms(leg.ended_ms), formats.cause(leg.cause).capitalize()
    if leg.answered_ms is None:
        yield _moment(call, ended, "missed", f"{leg.target} did not answer", cause)
        return
    yield _moment(call, formats.from_ms(leg.answered_ms), "talk", f"{leg.target} answered")
    talked = f"{leg.target} was on the line for {formats.seconds(leg.connected_ms)}"
    yield _moment(call, ended, "talk", talked, cause)


def _moment(call: OwnCall, at: datetime, kind: str, title: str, detail: str = "") -> Moment:
    after_ms = (at - call.started_at) // timedelta(milliseconds=1)
    return Moment(at=at, after_ms=after_ms, kind=kind, title=title, detail=detail)
