"""Which IP addresses are public: reachable from anywhere, and nobody's inside. Pure.

Only what is surely public passes. Python's `is_global` alone does not do: it answers by what has been registered as
special, and calls everything else global.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

Address = IPv4Address | IPv6Address

_UNICAST = ip_network("2000::/3")
"""All of IPv6 that has been given out. ::/96, 5f00::/16, fec0::/10 and what nobody uses yet lie outside."""
_TRANSLATED = ip_network("64:ff9b::/96")
"""NAT64 (RFC 6052): the last 32 bits are an IPv4 address."""
_NOT_PUBLIC = tuple(
    ip_network(text)
    for text in (
        "168.63.129.16/32",  # Azure's wire server: public by its number, and inside by its nature
        "192.0.0.0/24",  # IETF protocol assignments, the exceptions in it too
        "192.88.99.0/24",  # 6to4 relay
        "2001::/23",  # IETF protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: holds an IPv4 address and goes to anyone who relays
        "3ffe::/16",  # the old 6bone, given back
        "3fff::/20",  # documentation
    )
)


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the public internet. One that wraps another is as public as what it wraps."""
    inner = unwrapped(address)
    if not inner.is_global or inner.is_multicast or inner.is_reserved:
        return False
    if isinstance(inner, IPv6Address) and inner not in _UNICAST:
        return False
    return not any(inner in network for network in _NOT_PUBLIC if network.version == inner.version)


def unwrapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for (mapped, NAT64), or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address
