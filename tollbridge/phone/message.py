"""SIP messages as values (RFC 3261): parse what came, build what goes. Pure.

Text is UTF-8 with surrogate escapes, so that a test can send any bytes: "\\udcff" becomes the byte 0xff.
"""

from __future__ import annotations

from dataclasses import dataclass

_COMPACT = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "l": "content-length",
    "c": "content-type",
}
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class SipMessage:
    """A request or a response, headers in their order."""

    start: str
    headers: Headers
    body: bytes = b""

    @property
    def status(self) -> int | None:
        """Status code of a response; None for a request."""
        return int(self.start[8:11]) if self.start.startswith("SIP/2.0 ") else None

    @property
    def reason(self) -> str:
        """Reason phrase of a response; empty for a request."""
        return self.start[12:] if self.status is not None else ""

    @property
    def method(self) -> str:
        """Method of a request, or of the request a response answers."""
        if self.status is None:
            return self.start.split(" ", 1)[0]
        return self.header("cseq").split(" ")[-1]

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of the header `name` (any case), in order."""
        wanted = name.lower()
        return tuple(value for key, value in self.headers if canonical(key) == wanted)

    def header(self, name: str) -> str:
        """First value of the header, or empty."""
        return next(iter(self.all(name)), "")


def canonical(name: str) -> str:
    """Return a header's long name in lower case."""
    lower = name.strip().lower()
    return _COMPACT.get(lower, lower)


def parse(datagram: bytes) -> SipMessage | None:
    """Return the message in one datagram, or None when it is none."""
    head, separator, body = datagram.partition(b"\r\n\r\n")
    lines = head.decode("utf-8", "surrogateescape").split("\r\n")
    start = lines[0]
    if not separator or not _is_start(start):
        return None
    headers: list[tuple[str, str]] = []
    for line in lines[1:]:
        if line[:1] in (" ", "\t") and headers:
            name, value = headers.pop()
            headers.append((name, f"{value} {line.strip()}"))
            continue
        name, colon, value = line.partition(":")
        if colon:
            headers.append((name.strip(), value.strip()))
    return SipMessage(start=start, headers=tuple(headers), body=body)


def _is_start(start: str) -> bool:
    if start.startswith("SIP/2.0 "):
        return len(start) >= 11 and start[8:11].isdigit()
    return start.endswith(" SIP/2.0") and start.count(" ") >= 2


def build(message: SipMessage) -> bytes:
    """Return the datagram; Content-Length is added."""
    lines = [message.start, *(f"{name}: {value}" for name, value in message.headers)]
    lines.append(f"Content-Length: {len(message.body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape") + message.body


def tag_of(address: str) -> str:
    """Return the tag of a From or To value, or empty."""
    for parameter in address.rpartition(">")[2].split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "tag":
            return value.strip()
    return ""


def uri_of(address: str) -> str:
    """Return the URI of a Contact, From or To value."""
    if "<" in address:
        return address.partition("<")[2].partition(">")[0]
    return address.partition(";")[0].strip()
