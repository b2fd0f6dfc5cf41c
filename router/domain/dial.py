"""Where a bid may send a caller. Buyers name the place in an answer from the internet: it is read narrowly.

Calls cost us money by the minute, so that a number abroad, a premium number or an address inside our own network must
not be reachable by writing it into a bid.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from rules.dialling import DiallingRules, dialling_problem, number_in_sip_uri
from rules.public_addresses import is_public
from rules.sip_uri import sip_uri_problem
from rules.telephone import known_number, read_number


@dataclass(frozen=True, kw_only=True, slots=True)
class DialProblem:
    """Why a place cannot be rung, for people."""

    reason: str


def read_dial(text: str) -> str | DialProblem:
    """Return `text` as E.164 or sip:user@host[:port]; anything else is a problem. `dial_problem` says which is rung.

    A SIP address of a private, loopback or link-local host is refused; a host name is looked up by Asterisk, whose
    transport is bound to the outside.
    """
    if len(text) > 200:
        return DialProblem(reason="too long")
    plain = text.strip()
    if plain.lower().startswith("sip:"):
        return _sip("sip:" + plain[4:])
    read = read_number(plain)
    return (
        read
        if isinstance(read, str)
        else DialProblem(reason="neither a telephone number nor a plain SIP address")
    )


def dial_problem(place: str, rules: DiallingRules) -> str | None:
    """Return why what `read_dial` has read is not rung, for people; None when it is.

    The user of a SIP address counts where it is a number: the host may be a carrier's, which knows us by our address
    and bills us.
    """
    user = number_in_sip_uri(place) if place.startswith("sip:") else place
    if user is None:
        return None
    number = known_number(user)
    return f"{user} is no number that we ring" if number is None else dialling_problem(number, rules)


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
    return uri if is_public(address) else DialProblem(reason=f"{host} is not a public address")
