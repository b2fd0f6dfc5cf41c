"""What a buyer's SIP address may look like: it ends up in a configuration file of Asterisk."""

from __future__ import annotations

import re

MAXIMUM_LENGTH = 200
_SIP_URI = re.compile(r"sip:[A-Za-z0-9+_.-]{1,64}@(?P<host>[A-Za-z0-9.-]{1,253})(?::(?P<port>[0-9]{1,5}))?")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def sip_uri_problem(uri: str) -> str | None:
    """Return what is wrong with `uri`, or None when it is `sip:user@host` or `sip:user@host:port`.

    Deliberately narrower than RFC 3261: no parameters, headers, passwords or escapes, so that nothing in it can
    mean anything else to Asterisk.
    """
    if len(uri) > MAXIMUM_LENGTH:
        return f"longer than {MAXIMUM_LENGTH} characters"
    match = _SIP_URI.fullmatch(uri)
    if match is None:
        return f"{uri!r} is not sip:user@host or sip:user@host:port"
    if not all(_LABEL.fullmatch(label) for label in match["host"].split(".")):
        return f"{match['host']!r} is not a host name or an address"
    if match["port"] and not 1 <= int(match["port"]) <= 65535:
        return f"port {match['port']} is not in 1..65535"
    return None
