"""What a caller hears on hold: a quiet two-note chime every few seconds, so that nobody thinks the line is dead."""

from __future__ import annotations

import io
import math
import struct
import wave
from collections.abc import Sequence

RATE_HZ = 8000
_LENGTH_SECONDS = 5
_NOTES = ((0.0, 523.25), (0.35, 392.0))
"""Start in seconds and frequency in Hz."""
_LOUDNESS = 2500
"""Peak of one note, of 32767: about -22 dB."""


def hold_tone() -> bytes:
    """Return the chime as a WAV file (8 kHz, mono, 16 bit). The same bytes every time."""
    samples = [0] * (RATE_HZ * _LENGTH_SECONDS)
    for start, frequency in _NOTES:
        for step in range(RATE_HZ * 2):
            seconds = step / RATE_HZ
            level = _LOUDNESS * min(1.0, seconds * 50) * math.exp(-2.5 * seconds)
            samples[int(start * RATE_HZ) + step] += int(level * math.sin(2 * math.pi * frequency * seconds))
    return _wav(samples)


def record_beep() -> bytes:
    """Return the tone after which a voice message is recorded, in the same form."""
    return _wav([int(9000 * math.sin(2 * math.pi * 1000 * step / RATE_HZ)) for step in range(RATE_HZ // 4)])


def _wav(samples: Sequence[int]) -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return target.getvalue()
