"""Whether a carrier has us on its list, or answers at all: read out of what Asterisk says. Pure.

The manager tells that a registration was rejected and not why; Asterisk's log has the reason. A reason here is words
for people, and never anything that came from the carrier but a number.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_TRUNK = re.compile(r"trunk-([0-9]{1,18})")
# res_pjsip_outbound_registration.c of Asterisk 22, the three ways a registration fails.
_NO_ANSWER = re.compile(r"No response received from '([^']*)' on registration attempt to '([^']*)'")
_ANSWER = re.compile(
    r"(?:response '([0-9]{3})'|'([0-9]{3})' fatal response|([0-9]{3}) Forbidden fatal response)"
    r" received from '([^']*)' on registration attempt to '([^']*)'"
)
_WORDS: Mapping[int, str] = {
    401: "it does not accept our user name and password",
    403: "it forbids us to register: the password may be wrong, or the account closed",
    404: "it does not know our user name",
    407: "it does not accept our user name and password",
    423: "it wants registrations to last longer",
    503: "it is not ready to take anybody",
}


class State(StrEnum):
    """How a trunk is with one carrier's address. The first four are of registrations."""

    REGISTERED = "registered"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    TRYING = "trying"
    REACHABLE = "reachable"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, kw_only=True)
class TrunkState:
    """One registration, or one address that is asked whether it is there. `reason` is empty while all is well."""

    trunk_id: int
    peer: str
    state: State
    reason: str = ""
    round_trip_us: int | None = None


@dataclass(frozen=True, kw_only=True)
class Peer:
    """An address of a trunk that Asterisk asks whether it is there."""

    trunk_id: int
    uri: str

    @property
    def contact(self) -> str:
        """Asterisk's own name of it (res_pjsip/location.c)."""
        digest = hashlib.md5(self.uri.encode(), usedforsecurity=False).hexdigest()
        return f"trunk-{self.trunk_id}@@{digest}"


def registrations(events: Iterable[Mapping[str, Any]], log_lines: Sequence[str]) -> list[TrunkState]:
    """Return what PJSIPShowRegistrationsOutbound says; `log_lines` are the end of Asterisk's log."""
    failures = _failures(log_lines)
    found = []
    for event in events:
        match = _TRUNK.fullmatch(str(event.get("ObjectName", "")))
        if match is None or event.get("Event") != "OutboundRegistrationDetail":
            continue
        server = str(event.get("ServerUri", ""))
        failure = failures.get((server, str(event.get("ClientUri", ""))))
        state, reason = _registration(str(event.get("Status", "")), failure)
        found.append(TrunkState(trunk_id=int(match[1]), peer=server, state=state, reason=reason))
    return found


def _registration(status: str, code: int | None) -> tuple[State, str]:
    if status == "Registered":
        return State.REGISTERED, ""
    if status != "Rejected":
        return State.TRYING, "asked, and not answered yet"
    if code is None:
        return State.REFUSED, "it took no registration; Asterisk's log says no more"
    if code == 0:
        return State.UNANSWERED, "no answer: the name or address is wrong, or nobody is there"
    return State.REFUSED, f"{_WORDS.get(code, 'it refused')} ({code})"


def _failures(log_lines: Sequence[str]) -> dict[tuple[str, str], int]:
    """Return the newest failure by registrar and our name there: the answer's code, 0 for none."""
    found: dict[tuple[str, str], int] = {}
    for line in log_lines:
        if silent := _NO_ANSWER.search(line):
            found[silent[1], silent[2]] = 0
        elif answer := _ANSWER.search(line):
            found[answer[4], answer[5]] = int(answer[1] or answer[2] or answer[3])
    return found


def reachability(peer: Peer, status: str, round_trip: str) -> TrunkState | None:
    """Return how a peer is by PJSIP_CONTACT's status and roundtrip; None while it was not asked yet."""
    if status == "Reachable":
        took = int(round_trip) if round_trip.isdigit() else None
        return TrunkState(trunk_id=peer.trunk_id, peer=peer.uri, state=State.REACHABLE, round_trip_us=took)
    if status == "Unreachable":
        reason = "no answer to our OPTIONS"
        return TrunkState(trunk_id=peer.trunk_id, peer=peer.uri, state=State.UNREACHABLE, reason=reason)
    return None
