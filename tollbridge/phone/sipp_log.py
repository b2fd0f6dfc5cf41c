"""SIPp's message log (-trace_msg) read as a buyer's own account of its calls. Pure.

SIPp writes a line of dashes with date and time before each message, in UTC because SippBuyer starts it so:
`----------------------------------------------- 2026-11-24 08:50:36.001229`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from tollbridge.phone.message import SipMessage, parse

_STAMP = re.compile(r"^-{20,}\s+(\d{4}-\d\d-\d\d)\s+(\d\d:\d\d:\d\d\.\d+)")
_END = "-" * 40 + " 2000-01-01 00:00:00.000000"
_SENT = re.compile(r"message sent", re.IGNORECASE)
_RECEIVED = re.compile(r"message received", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class LoggedMessage:
    at_ms: float
    sent: bool
    message: SipMessage


@dataclass(frozen=True, kw_only=True)
class BuyerLeg:
    """One call as the buyer's telephone saw it, epoch milliseconds of its own clock."""

    sip_call_id: str
    invite_ms: float
    ringing_ms: float | None = None
    answered_ms: float | None = None
    acknowledged_ms: float | None = None
    cancel_received_ms: float | None = None
    refused_ms: float | None = None
    status: int | None = None
    bye_received_ms: float | None = None
    bye_sent_ms: float | None = None
    from_value: str = ""
    request_uri: str = ""

    @property
    def ended_ms(self) -> float | None:
        """When the conversation ended for the buyer: BYE received or sent."""
        return self.bye_received_ms if self.bye_sent_ms is None else self.bye_sent_ms

    @property
    def connected_ms(self) -> float | None:
        """From 200 sent to BYE; None when the call never was connected or still is."""
        if self.answered_ms is None or self.ended_ms is None:
            return None
        return self.ended_ms - self.answered_ms


def read_messages(log: str) -> Iterator[LoggedMessage]:
    """Yield every SIP message in a log, in order. What cannot be read is passed over."""
    at_ms: float | None = None
    sent: bool | None = None
    lines: list[str] = []
    for line in [*log.splitlines(), _END]:
        stamp = _STAMP.match(line)
        if stamp is None:
            if sent is None and (_SENT.search(line) or _RECEIVED.search(line)):
                sent = _SENT.search(line) is not None
            elif lines or line.strip():
                lines.append(line)
            continue
        message = parse(("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape"))
        if message is not None and at_ms is not None and sent is not None:
            yield LoggedMessage(at_ms=at_ms, sent=sent, message=message)
        at_ms, sent, lines = _epoch_ms(stamp[1], stamp[2]), None, []


def _epoch_ms(day: str, time: str) -> float:
    return datetime.fromisoformat(f"{day}T{time}+00:00").timestamp() * 1000


def read_legs(log: str) -> tuple[BuyerLeg, ...]:
    """Return the calls in a log, in order of their INVITEs."""
    legs: dict[str, BuyerLeg] = {}
    for logged in read_messages(log):
        call_id = logged.message.header("call-id")
        known = legs.get(call_id)
        if known is not None:
            legs[call_id] = _seen(known, logged)
        elif logged.message.status is None and logged.message.method == "INVITE" and not logged.sent:
            legs[call_id] = BuyerLeg(
                sip_call_id=call_id,
                invite_ms=logged.at_ms,
                from_value=logged.message.header("from"),
                request_uri=logged.message.start.split(" ")[1],
            )
    return tuple(legs.values())


def _seen(leg: BuyerLeg, logged: LoggedMessage) -> BuyerLeg:
    message, at_ms = logged.message, logged.at_ms
    if message.status is not None:
        return _answered(leg, message.status, at_ms) if logged.sent and message.method == "INVITE" else leg
    if message.method == "ACK" and leg.acknowledged_ms is None:
        return replace(leg, acknowledged_ms=at_ms)
    if message.method == "CANCEL" and leg.cancel_received_ms is None:
        return replace(leg, cancel_received_ms=at_ms)
    if message.method == "BYE" and leg.bye_sent_ms is None and leg.bye_received_ms is None:
        return replace(leg, bye_sent_ms=at_ms) if logged.sent else replace(leg, bye_received_ms=at_ms)
    return leg


def _answered(leg: BuyerLeg, status: int, at_ms: float) -> BuyerLeg:
    if status < 200:
        return replace(leg, ringing_ms=leg.ringing_ms or at_ms)
    if status < 300:
        return replace(leg, answered_ms=leg.answered_ms or at_ms, status=status)
    return replace(leg, refused_ms=leg.refused_ms or at_ms, status=status)


def connected(legs: Iterable[BuyerLeg]) -> tuple[BuyerLeg, ...]:
    """Return the legs that were answered."""
    return tuple(leg for leg in legs if leg.answered_ms is not None)
