"""Who may knock: the filter on a real socket of a real process."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Network

import pytest

from asterisk_conf.node_config import TargetRow, TrunkRow, lines_of
from asterisk_conf.sip_door import (
    MAXIMUM_NETWORKS,
    DoorClosed,
    DoorOpen,
    allowed_networks,
    close_door,
    door_program,
    turned_away,
)

_ECHO = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1], flush=True)
while True:
    data, peer = s.recvfrom(2000); s.sendto(data, peer)
"""
INVITE = b"INVITE sip:+18005550100@127.0.0.1 SIP/2.0\r\n\r\n"


@pytest.fixture
def echo() -> Iterator[tuple[int, int]]:
    """A process with a UDP socket that answers everything: (process id, port)."""
    process = subprocess.Popen([sys.executable, "-c", _ECHO], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process.pid, int(process.stdout.readline())
    process.kill()
    process.wait()


def answered(port: int, source: str, data: bytes = INVITE) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as knock:
        knock.bind((source, 0))
        knock.settimeout(0.3)
        knock.sendto(data, ("127.0.0.1", port))
        try:
            return knock.recv(2000) == data
        except TimeoutError:
            return False


def test_a_stranger_gets_no_answer_and_is_counted(echo: tuple[int, int]) -> None:
    pid, port = echo
    assert answered(port, "127.0.0.9")
    assert isinstance(close_door(pid, "127.0.0.1", port, [IPv4Network("127.0.0.2/32")]), DoorClosed)
    assert answered(port, "127.0.0.2")
    assert turned_away("127.0.0.1", port) == 0
    assert not answered(port, "127.0.0.9")
    assert not answered(port, "127.0.0.9", b"x")
    assert turned_away("127.0.0.1", port) == 2


def test_an_answer_or_a_bye_is_let_in_from_anywhere(echo: tuple[int, int]) -> None:
    pid, port = echo
    close_door(pid, "127.0.0.1", port, [])
    for start in (b"SIP/2.0 200 OK\r\n", b"BYE sip:x@y SIP/2.0\r\n", b"ACK sip:x@y SIP/2.0\r\n"):
        assert answered(port, "127.0.0.9", start)
    for start in (b"INVITE ", b"REGISTER ", b"OPTIONS ", b"SUBSCRIBE ", b"CANCEL ", b"BYEBYE  "):
        assert not answered(port, "127.0.0.9", start + b"sip:x@y SIP/2.0\r\n")


def test_the_door_can_be_hung_anew_and_holds_whole_networks(echo: tuple[int, int]) -> None:
    pid, port = echo
    close_door(pid, "127.0.0.1", port, [IPv4Network("127.0.0.2/32")])
    close_door(pid, "127.0.0.1", port, [IPv4Network("127.0.1.0/24")])
    assert not answered(port, "127.0.0.2")
    assert answered(port, "127.0.1.77")


def test_as_many_networks_as_promised_fit(echo: tuple[int, int]) -> None:
    pid, port = echo
    many = [IPv4Network((0x0A000000 + 512 * index, 24)) for index in range(MAXIMUM_NETWORKS - 1)]
    assert isinstance(close_door(pid, "127.0.0.1", port, [*many, IPv4Network("127.0.0.2/32")]), DoorClosed)
    assert answered(port, "127.0.0.2") and not answered(port, "127.0.0.3")
    assert isinstance(close_door(pid, "127.0.0.1", port, many * 2), DoorOpen)


def test_without_such_a_socket_the_door_stays_open_and_says_so() -> None:
    door = close_door(1, "127.0.0.1", 9, [])
    assert isinstance(door, DoorOpen) and "127.0.0.1:9" in door.reason
    assert turned_away("127.0.0.1", 9) is None


async def test_trunks_registrars_and_targets_may_knock() -> None:
    lines = lines_of(
        [
            TrunkRow(id=1, name="t", addresses=["192.0.2.0/24"]),
            TrunkRow(
                id=2, name="r", addresses=[], registrar_uri="sip:198.51.100.1", username="u", password="p"
            ),
        ],
        [TargetRow(id=1, sip_uri="sip:a@203.0.113.9"), TargetRow(id=2, sip_uri="sip:a@no-such-host.invalid")],
    )
    assert {str(network) for network in await allowed_networks(lines)} == {
        "192.0.2.0/24",
        "198.51.100.1/32",
        "203.0.113.9/32",
    }


def test_a_program_is_whole_instructions() -> None:
    assert len(door_program([IPv4Network("10.0.0.0/8"), IPv4Network("192.0.2.1/32")])) % 8 == 0
