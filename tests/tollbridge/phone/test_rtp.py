"""The outgoing stream: one frame a tick, keys as RFC 4733 events with exact durations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbridge.phone.rtp import END_COPIES, KEY_MS, Outgoing, RtpPacket, pack, unpack
from tollbridge.phone.sdp import PCMU, TELEPHONE_EVENT


def ticks(outgoing: Outgoing, count: int) -> list[RtpPacket]:
    packets = [unpack(datagram) for _ in range(count) for datagram in outgoing.tick()]
    assert all(packets)
    return [packet for packet in packets if packet is not None]


@given(
    st.integers(0, 127),
    st.integers(0, 65535),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=200),
    st.booleans(),
)
def test_a_packet_is_read_back(kind: int, sequence: int, stamp: int, payload: bytes, marker: bool) -> None:
    packet = RtpPacket(
        payload_type=kind, sequence=sequence, timestamp=stamp, source=7, payload=payload, marker=marker
    )
    assert unpack(pack(packet)) == packet


def test_silence_goes_out_when_nothing_is_said() -> None:
    first, second = ticks(Outgoing(1, sequence=65535, timestamp=2**32 - 160), 2)
    assert first.marker and not second.marker
    assert first.payload == second.payload == b"\xff" * 160
    assert (second.sequence, second.timestamp) == (0, 0)


def test_a_clip_is_cut_into_frames_and_filled_up() -> None:
    outgoing = Outgoing(1)
    outgoing.say(b"\x01" * 200)
    first, second, third = ticks(outgoing, 3)
    assert first.payload == b"\x01" * 160 and second.payload == b"\x01" * 40 + b"\xff" * 120
    assert third.payload == b"\xff" * 160
    assert not outgoing.busy


def test_a_key_is_one_event_with_growing_duration_and_repeated_end() -> None:
    outgoing = Outgoing(1, timestamp=1600)
    outgoing.press("#")
    events = [packet for packet in ticks(outgoing, 12) if packet.payload_type == TELEPHONE_EVENT]
    assert {packet.timestamp for packet in events} == {1600}
    assert all(packet.payload[0] == 11 for packet in events)
    ends = [packet for packet in events if packet.payload[1] & 0x80]
    assert len(ends) == END_COPIES
    durations = [int.from_bytes(packet.payload[2:4], "big") for packet in events]
    assert durations == [160, 320, 480, 640, 800, 800, 800]
    assert durations[-1] == KEY_MS * 8
    assert [packet.marker for packet in events] == [True] + [False] * 6


def test_two_keys_are_parted_by_audio_and_the_clock_goes_on() -> None:
    outgoing = Outgoing(1)
    outgoing.press("12")
    packets = ticks(outgoing, 20)
    kinds = [packet.payload_type for packet in packets]
    assert kinds == [TELEPHONE_EVENT] * 7 + [PCMU] * 4 + [TELEPHONE_EVENT] * 7 + [PCMU] * 6
    assert packets[7].timestamp == 5 * 160
    assert [packet.sequence for packet in packets] == list(range(24))


def test_no_other_key_is_pressed() -> None:
    with pytest.raises(ValueError, match="not a key"):
        Outgoing(1).press("1x")


@given(st.binary(max_size=60))
def test_garbage_is_refused_not_raised(datagram: bytes) -> None:
    packet = unpack(datagram)
    assert packet is None or packet.payload_type < 128
