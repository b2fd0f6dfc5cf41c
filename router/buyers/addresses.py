"""Which addresses a ping may go to: public ones. A buyer's URL must not make us ask our own network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address
from urllib.parse import urlsplit

from rules.public_addresses import is_public, unwrapped

Network = IPv4Network | IPv6Network
MAXIMUM_URL = 2_000


@dataclass(frozen=True, kw_only=True, slots=True)
class AddressRules:
    """What is allowed beyond public addresses over https. Production allows nothing more."""

    allowed: tuple[Network, ...] = ()
    """Networks of the house itself that pings may go to all the same."""
    plain_http: bool = False


def address_problem(text: str, rules: AddressRules) -> str | None:
    """Return why an address (as a resolver or a URL spells it) is not to be connected to, or None."""
    try:
        address = unwrapped(ip_address(text.partition("%")[0]))
    except ValueError:
        return f"{text!r} is not an address"
    if any(address in network for network in rules.allowed if network.version == address.version):
        return None
    if not is_public(address):
        return f"{address} is not a public address"
    return None


@lru_cache(maxsize=4096)  # asked for each ping, and its answer never changes
def url_problem(url: str, rules: AddressRules) -> str | None:
    """Return what is wrong with an endpoint's URL, or None. Names are judged again each time they are resolved."""
    if len(url) > MAXIMUM_URL or not url.isascii() or not url.isprintable() or " " in url:
        return f"must be printable ASCII of at most {MAXIMUM_URL} characters"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        return str(error)
    if parts.scheme != "https" and not (parts.scheme == "http" and rules.plain_http):
        return "must begin with https://"
    if parts.username is not None or parts.password is not None:
        return "must not hold a user or a password"
    return _host_problem(parts.hostname or "", rules)


def _host_problem(host: str, rules: AddressRules) -> str | None:
    if not host:
        return "names no host"
    if ":" in host or host.replace(".", "").isdigit():
        return address_problem(host, rules)
    return None
