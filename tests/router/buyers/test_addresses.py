"""Which addresses pings may go to."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.buyers.addresses import AddressRules, address_problem, url_problem

PUBLIC = AddressRules()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200",
        "0.0.0.0", "255.255.255.255", "224.0.0.1", "192.0.2.1", "198.18.0.1", "168.63.129.16", "192.88.99.1", "::1",
        "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2001:db8::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2", "::127.0.0.1", "::a9fe:a9fe", "::8.8.8.8", "fec0::1", "192.0.0.9",
        "192.0.0.171", "5f00::1", "2002:808:808::1", "3fff::1", "3ffe::1", "4000::1", "100::1", "2001:20::1",
        "::ffff:0:7f00:1", "239.1.1.1", "ff0e::1", "nonsense", "127.1", "",
    ],
)  # fmt: skip
def test_addresses_inside_are_refused(address: str) -> None:
    assert address_problem(address, PUBLIC)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_not(address: str) -> None:
    assert address_problem(address, PUBLIC) is None


@given(st.ip_addresses(v=4))
def test_wrapping_an_address_in_ipv6_changes_nothing(address: IPv4Address) -> None:
    plain = address_problem(str(address), PUBLIC)
    for wrapped in (f"::ffff:{address}", f"64:ff9b::{address}"):
        assert (address_problem(wrapped, PUBLIC) is None) == (plain is None)


def test_an_allowance_reaches_no_further_than_it_says() -> None:
    rules = AddressRules(allowed=(ip_network("10.7.0.0/24"),))
    assert address_problem("10.7.0.9", rules) is None
    assert address_problem("::ffff:10.7.0.9", rules) is None
    assert address_problem("10.7.1.9", rules)
    assert address_problem("127.0.0.1", rules)


@pytest.mark.parametrize(
    "url",
    [
        "http://buyer.example/", "ftp://buyer.example/", "//buyer.example/", "https://", "https:///x", "",
        "https://user@buyer.example/", "https://127.0.0.1/", "https://[::1]/", "https://[::ffff:10.0.0.1]/",
        "https://2130706433/", "https://127.1/", "https://buyer.example:99999/", "https://buyer.example/a b",
        "https://buyer.example/\r\nX: y", "https://büyer.example/", "https://buyer.example/" + "a" * 2000,
    ],
)  # fmt: skip
def test_urls_that_cannot_be_right_are_refused_when_saved(url: str) -> None:
    assert url_problem(url, PUBLIC)


def test_numeric_spellings_of_the_loopback_are_resolved_before_they_are_judged() -> None:
    """What urlsplit calls a name may be an address to the system: it is judged as the system reads it."""
    found = socket.getaddrinfo("0x7f.1", 443, type=socket.SOCK_STREAM)
    assert all(address_problem(str(address[4][0]), PUBLIC) for address in found)
