"""Which addresses a ping may go to: public ones. A buyer's URL must not make us ask our own network (FACTS 9)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

Network = IPv4Network | IPv6Network
MAXIMUM_URL = 2_000

_TRANSLATED = ip_network("64:ff9b::/96")
"""NAT64 (RFC 6052): the last 32 bits are an IPv4 address."""
_NEVER = tuple(
    ip_network(text)
    for text in (
        "64:ff9b:1::/48",  # local-use NAT64 (RFC 8215)
        "fd00:ec2::254/128",  # AWS metadata over IPv6
        "100.100.100.200/32",  # Alibaba metadata
        "168.63.129.16/32",  # Azure's wire server: public by its number, and inside by its nature
        "192.88.99.0/24",  # 6to4 relay
    )
)


@dataclass(frozen=True, kw_only=True, slots=True)
class AddressRules:
    """What is allowed beyond public addresses over https. Production allows nothing more."""

    allowed: tuple[Network, ...] = ()
    """Networks of the house itself that pings may go to all the same."""
    plain_http: bool = False


def address_problem(text: str, rules: AddressRules) -> str | None:
    """Return why an address (as a resolver or a URL spells it) is not to be connected to, or None."""
    try:
        address = _inner(ip_address(text.partition("%")[0]))
    except ValueError:
        return f"{text!r} is not an address"
    if any(address in network for network in rules.allowed if network.version == address.version):
        return None
    if any(address in network for network in _NEVER if network.version == address.version):
        return f"{address} is not a public address"
    if not address.is_global or address.is_multicast:
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


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 one wraps (mapped, 6to4, Teredo, NAT64), or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.teredo is not None:
        return address.teredo[1]
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
