"""The one shape of SIP address that may reach a configuration file or a Dial string."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network

from rules.sip_uri import sip_uri_problem

_NOBODY = "x"
SHORTEST_PREFIX = 8
"""A trunk wider than this is an open door, not an address."""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """Why a trunk or target of the database is left out of the configuration. Said by doctor, never raised."""

    what: str
    """e.g. target 12"""
    reason: str

    def __str__(self) -> str:
        return f"{self.what}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class SipUri:
    """A checked sip: address. `user` is empty for a registrar."""

    user: str
    host: str
    port: int | None

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"sip:{user}{self.host}{port}"


def read_sip_uri(text: str, *, what: str, user_required: bool = True) -> SipUri | Refused:
    """Read `sip:user@host[:port]`. Parameters, headers, quotes, spaces and everything else are refused."""
    full = text if user_required or "@" in text else text.replace("sip:", f"sip:{_NOBODY}@", 1)
    problem = sip_uri_problem(full)
    if problem is not None:
        return Refused(what=what, reason=problem[:160])
    user, _, place = full.removeprefix("sip:").partition("@")
    host, _, port = place.partition(":")
    return SipUri(user="" if full != text else user, host=host, port=int(port) if port else None)


def read_address(text: str, *, what: str) -> IPv4Network | Refused:
    """Read an IPv4 address or network of a trunk."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return Refused(what=what, reason=f"{text[:80]!r} is not an address or a network such as 192.0.2.0/24")
    if not isinstance(network, IPv4Network):
        return Refused(what=what, reason=f"{network} is IPv6; trunks speak IPv4 for now")
    if network.prefixlen < SHORTEST_PREFIX:
        return Refused(
            what=what, reason=f"{network} is wider than /{SHORTEST_PREFIX}: list the carrier's addresses"
        )
    return network
