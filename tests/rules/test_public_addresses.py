"""Nothing that is not globally reachable passes for public."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.public_addresses import is_public

# IANA's special-purpose registries, whatever is not "globally reachable: true" there; multicast; what RFC 3879,
# RFC 4291 and RFC 7526 have withdrawn; the metadata services of clouds.
INSIDE = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
    "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "100::/64",
    "100:0:0:1::/64", "2001::/32", "2001:2::/48", "2001:10::/28", "2001:db8::/32", "2002::/16", "3fff::/20",
    "4000::/2", "5f00::/16", "8000::/1", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    "168.63.129.16/32",
)  # fmt: skip


@pytest.mark.parametrize("network", INSIDE)
@given(data=st.data())
def test_special_networks_are_not_public_nor_is_what_wraps_them(network: str, data: st.DataObject) -> None:
    address = data.draw(st.ip_addresses(network=ip_network(network)))
    assert not is_public(address)
    if isinstance(address, IPv4Address):
        whole = f"{int(address) >> 16:x}:{int(address) & 0xFFFF:x}"
        wrapped = (f"::ffff:{whole}", f"::{whole}", f"64:ff9b::{whole}", f"2002:{whole}::1", f"2001::{whole}")
        assert not any(is_public(ip_address(one)) for one in wrapped)


@pytest.mark.parametrize(
    "text",
    ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808"],
)
def test_the_public_internet_is_public(text: str) -> None:
    assert is_public(ip_address(text))
