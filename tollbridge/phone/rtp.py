"""RTP packets (RFC 3550), keys as events (RFC 4733), and what goes out each 20 ms. Pure: no clock, no socket."""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass

from tollbridge.phone import mulaw
from tollbridge.phone.sdp import PCMU, TELEPHONE_EVENT

PACKET_MS = 20
PACKET_SAMPLES = 160
KEYS = "0123456789*#ABCD"
KEY_MS = 100
GAP_MS = 80
END_COPIES = 3
_VOLUME = 10
_HEADER = struct.Struct("!BBHII")
_EVENT = struct.Struct("!BBH")
_SILENT_FRAME = bytes([mulaw.SILENCE]) * PACKET_SAMPLES


@dataclass(frozen=True, kw_only=True)
class RtpPacket:
    payload_type: int
    sequence: int
    timestamp: int
    source: int
    payload: bytes
    marker: bool = False


def pack(packet: RtpPacket) -> bytes:
    second = packet.payload_type | (0x80 if packet.marker else 0)
    return _HEADER.pack(0x80, second, packet.sequence, packet.timestamp, packet.source) + packet.payload


def unpack(datagram: bytes) -> RtpPacket | None:
    """Return the packet, or None when the datagram is no RTP of version 2."""
    if len(datagram) < _HEADER.size or datagram[0] >> 6 != 2:
        return None
    first, second, sequence, timestamp, source = _HEADER.unpack_from(datagram)
    start = _HEADER.size + 4 * (first & 0x0F)
    if first & 0x10 and len(datagram) >= start + 4:
        start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4], "big")
    end = len(datagram) - (datagram[-1] if first & 0x20 else 0)
    return RtpPacket(
        payload_type=second & 0x7F,
        sequence=sequence,
        timestamp=timestamp,
        source=source,
        payload=datagram[start:end],
        marker=bool(second & 0x80),
    )


@dataclass(kw_only=True)
class _Key:
    event: int
    started: int
    sent_samples: int = 0


class Outgoing:
    """The stream a telephone sends: silence, clips of mu-law and keys, one call of `tick` each 20 ms."""

    def __init__(self, source: int, *, sequence: int = 0, timestamp: int = 0) -> None:
        self._source = source
        self._sequence = sequence & 0xFFFF
        self._timestamp = timestamp & 0xFFFFFFFF
        self._audio: deque[bytes] = deque()
        self._keys: deque[str] = deque()
        self._key: _Key | None = None
        self._gap_ticks = 0
        self._first = True

    def say(self, clip: bytes) -> None:
        """Queue mu-law audio; the last frame is filled up with silence."""
        for start in range(0, len(clip), PACKET_SAMPLES):
            frame = clip[start : start + PACKET_SAMPLES]
            self._audio.append(frame + _SILENT_FRAME[len(frame) :])

    def press(self, keys: str) -> None:
        """Queue keys (`0-9*#A-D`). Raises ValueError for any other."""
        unknown = [key for key in keys if key not in KEYS]
        if unknown:
            raise ValueError(f"not a key of a telephone: {unknown[0]!r}")
        self._keys.extend(keys)

    @property
    def busy(self) -> bool:
        """Whether something queued has not been sent yet."""
        return bool(self._audio or self._keys or self._key or self._gap_ticks)

    def tick(self) -> tuple[bytes, ...]:
        """Return the datagrams of the next 20 ms."""
        if self._key is None and self._gap_ticks == 0 and self._keys:
            self._key = _Key(event=KEYS.index(self._keys.popleft()), started=self._timestamp)
        packets = self._event_packets(self._key) if self._key is not None else self._audio_packet()
        self._timestamp = (self._timestamp + PACKET_SAMPLES) & 0xFFFFFFFF
        return packets

    def _audio_packet(self) -> tuple[bytes, ...]:
        if self._gap_ticks:
            self._gap_ticks -= 1
        frame = self._audio.popleft() if self._audio else _SILENT_FRAME
        marker, self._first = self._first, False
        return (self._packet(PCMU, self._timestamp, frame, marker),)

    def _event_packets(self, key: _Key) -> tuple[bytes, ...]:
        first = key.sent_samples == 0
        key.sent_samples += PACKET_SAMPLES
        last = key.sent_samples >= KEY_MS * mulaw.SAMPLES_PER_SECOND // 1000
        flags = _VOLUME | (0x80 if last else 0)
        payload = _EVENT.pack(key.event, flags, key.sent_samples)
        if last:
            self._key = None
            self._gap_ticks = GAP_MS // PACKET_MS
        copies = END_COPIES if last else 1
        return tuple(self._packet(TELEPHONE_EVENT, key.started, payload, first) for _ in range(copies))

    def _packet(self, payload_type: int, timestamp: int, payload: bytes, marker: bool) -> bytes:
        packet = RtpPacket(
            payload_type=payload_type,
            sequence=self._sequence,
            timestamp=timestamp,
            source=self._source,
            payload=payload,
            marker=marker,
        )
        self._sequence = (self._sequence + 1) & 0xFFFF
        return pack(packet)
