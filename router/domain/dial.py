"""Where a bid may send a caller. Buyers name the place in an answer from the internet: it is read narrowly.

Calls cost us money by the minute, so that a number of a foreign country, a premium number or an address inside our
own network must not be reachable by writing it into a bid.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from rules.sip_uri import sip_uri_problem
from rules.telephone import NumberError, read_north_american_number


@dataclass(frozen=True, kw_only=True, slots=True)
class DialProblem:
    """Why a place cannot be rung, for people."""

    reason: str


def read_dial(text: str) -> str | DialProblem:
    """Return `text` as +1NXXNXXXXXX or sip:user@host[:port]; anything else is a problem.

    Numbers are those of North America without premium ones. A SIP address of a private, loopback or link-local
    host is refused; a host name is looked up by Asterisk, whose transport is bound to the outside.
    """
    if len(text) > 200:
        return DialProblem(reason="too long")
    plain = text.strip()
    if plain.lower().startswith("sip:"):
        return _sip("sip:" + plain[4:])
    try:
        return read_north_american_number(plain)
    except NumberError as problem:
        neither = "neither a North American number nor a plain SIP address"
        return DialProblem(reason=str(problem) if problem.is_number else neither)


def _sip(uri: str) -> str | DialProblem:
    problem = sip_uri_problem(uri)
    if problem:
        return DialProblem(reason=problem)
    host = uri.partition("@")[2].partition(":")[0]
    try:
        address = ip_address(host)
    except ValueError:
        if host.lower() == "localhost" or "." not in host or host.rpartition(".")[2].isdigit():
            return DialProblem(reason="a host inside the house")
        return uri
    return uri if address.is_global else DialProblem(reason=f"{host} is not a public address")
