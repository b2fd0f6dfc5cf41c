"""The call that goes on over a softphone's WebSocket, as far as it takes to end it: when the line closes, so does the
call. Pure.

Asterisk does not end a call whose WebSocket is gone, and its sound goes straight: whoever was signed out would hear on.
Source: RFC 3261, 12.2.1.1 (requests within a dialog) and 15.1.1 (BYE).
"""

from __future__ import annotations

from dataclasses import dataclass, field

_SHORT = {"f": "from", "t": "to", "i": "call-id", "m": "contact"}
_KEPT = frozenset({"from", "to", "call-id", "cseq", "contact"})
_SEQUENCE_DIGITS_MAXIMUM = 10
CALLS_MAXIMUM = 8
"""A softphone has one."""


@dataclass(kw_only=True)
class _Call:
    caller: str
    called: str
    contact: str
    sequence: int


@dataclass(kw_only=True)
class Dialogs:
    """Hears both sides of one softphone's line."""

    _calls: dict[str, _Call] = field(default_factory=dict)

    def heard_from_switch(self, message: str) -> None:
        """Note an INVITE that was answered, and a call the switch has ended."""
        first, headers = _read(message)
        call_id = headers.get("call-id", "")
        number, _, method = headers.get("cseq", "").partition(" ")
        if first.startswith("BYE "):
            self._calls.pop(call_id, None)
        elif first.startswith("SIP/2.0 2") and method == "INVITE" and _is_sequence(number):
            contact = _uri(headers.get("contact", ""))
            if contact and len(self._calls) < CALLS_MAXIMUM:
                self._calls[call_id] = _Call(
                    caller=headers.get("from", ""),
                    called=headers.get("to", ""),
                    contact=contact,
                    sequence=int(number),
                )

    def heard_from_browser(self, message: str) -> None:
        """Note a call the browser has ended, and how far its requests are numbered."""
        first, headers = _read(message)
        call = self._calls.get(headers.get("call-id", ""))
        if call is None:
            return
        if first.startswith("BYE "):
            self._calls.pop(headers["call-id"])
            return
        number = headers.get("cseq", "").partition(" ")[0]
        if _is_sequence(number) and not first.startswith("SIP/2.0"):
            call.sequence = max(call.sequence, int(number))

    def farewells(self, branch: str) -> list[str]:
        """Return a BYE for every call that goes on. `branch` is a fresh token."""
        found = [
            _bye(call_id, call, f"{branch}{place}")
            for place, (call_id, call) in enumerate(self._calls.items())
        ]
        self._calls.clear()
        return found


def _read(message: str) -> tuple[str, dict[str, str]]:
    """Return the first line and the headers that matter, the first of each name."""
    first, *lines = message.partition("\r\n\r\n")[0].replace("\r\n", "\n").split("\n")
    headers: dict[str, str] = {}
    for line in lines:
        text, _, value = line.partition(":")
        name = text.rstrip().lower()
        name = _SHORT.get(name, name)
        if name in _KEPT:
            headers.setdefault(name, value.strip())
    return first, headers


def _uri(contact: str) -> str:
    """Return the SIP address between the first < and > of a Contact, "" when there is none."""
    uri = contact.partition("<")[2].partition(">")[0]
    whole = uri.startswith(("sip:", "sips:")) and uri.isprintable() and " " not in uri
    return uri if whole and not uri.endswith(":") else ""


def _is_sequence(number: str) -> bool:
    return number.isascii() and number.isdecimal() and len(number) <= _SEQUENCE_DIGITS_MAXIMUM


def _bye(call_id: str, call: _Call, branch: str) -> str:
    lines = (
        f"BYE {call.contact} SIP/2.0",
        f"Via: SIP/2.0/WS tollbridge.invalid;branch=z9hG4bK{branch}",
        "Max-Forwards: 70",
        f"From: {call.caller}",
        f"To: {call.called}",
        f"Call-ID: {call_id}",
        f"CSeq: {call.sequence + 1} BYE",
        "Content-Length: 0",
    )
    return "\r\n".join(lines) + "\r\n\r\n"
