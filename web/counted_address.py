"""What limits count an address as. Pure.

Anyone who has one IPv6 address has at least the 2^64 beside it: they count as one.
"""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network, ip_address

IPV6_PREFIX_BITS = 64


def counted_as(address: str) -> str:
    """Return an IPv4 address as it is, an IPv6 address as its /64; what is no address stands for itself."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(IPv6Network((int(found) >> IPV6_PREFIX_BITS << IPV6_PREFIX_BITS, IPV6_PREFIX_BITS)))
