"""Asterisk's AudioSocket protocol, bytes to frames and back. Pure: whoever owns the socket feeds it.

A frame is one byte of kind, two bytes of length (big-endian) and the payload.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

_HEADER_BYTES = 3
MAXIMUM_PAYLOAD_BYTES = 2048
"""Asterisk sends one packet of audio a frame; 60 ms of 8 kHz audio are 960 bytes."""
KEYS = frozenset("0123456789*#ABCD")


class FrameKind(IntEnum):
    HANGUP = 0x00
    UUID = 0x01
    DTMF = 0x03
    AUDIO = 0x10
    """Signed linear, 16 bit little-endian, 8 kHz, mono."""
    ERROR = 0xFF


@dataclass(frozen=True, kw_only=True)
class Frame:
    kind: FrameKind
    payload: bytes = b""


class MalformedFrame(ValueError):
    """The peer does not speak AudioSocket: drop it."""


class FrameDecoder:
    """Gathers bytes into frames. Keeps at most one incomplete frame."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """All frames that `data` completes. Raises MalformedFrame; the decoder is of no use after that."""
        self._waiting += data
        frames: list[Frame] = []
        at = 0
        while (frame := _frame_at(self._waiting, at)) is not None:
            frames.append(frame)
            at += _HEADER_BYTES + len(frame.payload)
        del self._waiting[:at]
        return frames


def _frame_at(data: bytearray, at: int) -> Frame | None:
    """The frame that starts at `at`, None while it is incomplete."""
    if len(data) - at < _HEADER_BYTES:
        return None
    kind, length = data[at], int.from_bytes(data[at + 1 : at + _HEADER_BYTES], "big")
    _check_header(kind, length)
    end = at + _HEADER_BYTES + length
    if len(data) < end:
        return None
    frame = Frame(kind=FrameKind(kind), payload=bytes(data[at + _HEADER_BYTES : end]))
    _check_payload(frame)
    return frame


def _check_header(kind: int, length: int) -> None:
    """Refuse before the payload is here, so that nobody makes us wait for or store it."""
    if kind not in FrameKind.__members__.values():
        raise MalformedFrame(f"unknown kind {kind:#04x}")
    if length > MAXIMUM_PAYLOAD_BYTES:
        raise MalformedFrame(f"a payload of {length} bytes")


def _check_payload(frame: Frame) -> None:
    size = len(frame.payload)
    if frame.kind is FrameKind.UUID and size != 16:
        raise MalformedFrame(f"a uuid of {size} bytes")
    if frame.kind is FrameKind.AUDIO and size % 2:
        raise MalformedFrame(f"{size} bytes of 16 bit audio")
    if frame.kind is FrameKind.DTMF and (size != 1 or chr(frame.payload[0]) not in KEYS):
        raise MalformedFrame("a key that no telephone has")


def encode(frame: Frame) -> bytes:
    """Raises ValueError when the payload is longer than a frame can say."""
    if len(frame.payload) > 0xFFFF:
        raise ValueError(f"a payload of {len(frame.payload)} bytes")
    return bytes((frame.kind,)) + len(frame.payload).to_bytes(2, "big") + frame.payload


def encode_audio(audio: bytes) -> bytes:
    return encode(Frame(kind=FrameKind.AUDIO, payload=audio))


HANGUP_BYTES = encode(Frame(kind=FrameKind.HANGUP))


def identity(frame: Frame) -> UUID:
    """The UUID in a frame of that kind."""
    return UUID(bytes=frame.payload)
