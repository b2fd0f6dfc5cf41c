"""G.711 mu-law: 8 kHz, one byte a sample. Pure."""

from __future__ import annotations

import array
import sys

SAMPLES_PER_SECOND = 8000
SILENCE = 0xFF
_BIAS = 0x84
_CLIP = 32635


def _decode_one(code: int) -> int:
    value = ~code & 0xFF
    magnitude = (((value & 0x0F) << 3) + _BIAS) << ((value & 0x70) >> 4)
    return _BIAS - magnitude if value & 0x80 else magnitude - _BIAS


def _encode_one(sample: int) -> int:
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), _CLIP) + _BIAS
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | (magnitude >> (exponent + 3)) & 0x0F) & 0xFF


DECODED: tuple[int, ...] = tuple(_decode_one(code) for code in range(256))
_LEVEL: tuple[int, ...] = tuple(abs(sample) for sample in DECODED)


def encode(linear: bytes) -> bytes:
    """Return mu-law for signed 16-bit little-endian samples."""
    samples = array.array("h", linear[: len(linear) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return bytes(map(_encode_one, samples))


def decode(code: bytes) -> bytes:
    """Return signed 16-bit little-endian samples."""
    samples = array.array("h", (DECODED[byte] for byte in code))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


def level(code: bytes) -> float:
    """Return the mean absolute sample, 0 to 32124; 0 for no samples."""
    return sum(_LEVEL[byte] for byte in code) / len(code) if code else 0.0
