"""How log records of our processes read: one line each, whatever stands in them.

The standard library's logging with two formatters is all it takes: every module logs by it already, and so do the
libraries we use.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import ip_address

SECURITY = "tollbridge.security"
"""The logger of security events: they stand in the process's log, and in a file of their own (tollbridge.run)."""


class SecurityEvent(StrEnum):
    """What somebody did who may be an attacker. The names are read by fail2ban: tollbridge/fail2ban, docs/access.md."""

    SIGN_IN_REFUSED = "sign-in-refused"
    """A wrong password, code or passkey."""
    SIGN_IN_LOCKED = "sign-in-locked"
    """One try more after too many wrong ones."""
    FORBIDDEN = "forbidden"
    """A page or an operation that is not for this person or token."""
    TOKEN_GUESSED = "token-guessed"  # noqa: S105  the name of an event
    """An API token that is none."""
    LINK_GUESSED = "link-guessed"
    """An invitation or reset link that is none, or is over."""
    PUBLISHER_KEY_GUESSED = "publisher-key-guessed"
    SALE_KEY_GUESSED = "sale-key-guessed"
    SIP_UNKNOWN = "sip-unknown"
    """SIP from an address that is nobody's, or with a wrong password."""
    CROSS_SITE = "cross-site"
    """What a page of another site made a browser ask. The address is a victim's: it is never banned for it."""


class JsonLines(logging.Formatter):
    """One JSON object a record: values are escaped, so that nothing in them ends the line or steers a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": time_of(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json.dumps(line)


class SecurityLines(logging.Formatter):
    """One line of a fixed form a security event: `time=… node=… event=… address=…`. No value can hold a space."""

    def __init__(self, node: str) -> None:
        super().__init__()
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        event, address = getattr(record, "event", "other"), getattr(record, "address", "unknown")
        return f"time={time_of(record)} node={self._node} event={event} address={address}"


def time_of(record: logging.LogRecord) -> str:
    """Return when a record was made: UTC, to the millisecond."""
    made = datetime.fromtimestamp(record.created, UTC)
    return made.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def log_security(event: SecurityEvent, address: str) -> None:
    """Log a security event of an address. Neither secrets nor numbers of callers belong here."""
    known = _plain(address)
    logging.getLogger(SECURITY).warning("%s by %s", event, known, extra={"event": event, "address": known})


def _plain(address: str) -> str:
    """Return an address as it is usually spelled; "unknown" when it is none, as of a local socket."""
    try:
        found = ip_address(address)
    except ValueError:
        return "unknown"
    return str(getattr(found, "ipv4_mapped", None) or found).partition("%")[0]
