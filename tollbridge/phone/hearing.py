"""What a telephone heard, and what can be said of it. Pure: arrival times are passed in, epoch milliseconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tollbridge.phone import mulaw

SOUND_LEVEL = 120.0
"""Mean absolute sample from which a frame counts as sound: below a whisper, above comfort noise."""
TURN_QUIET_MS = 600
MAXIMUM_FRAMES = 50 * 60 * 60
"""One hour of audio; older frames are not dropped, newer ones are not kept."""


@dataclass(frozen=True, slots=True)
class HeardFrame:
    at_ms: float
    level: float
    payload: bytes

    @property
    def is_sound(self) -> bool:
        return self.level >= SOUND_LEVEL

    @property
    def end_ms(self) -> float:
        return self.at_ms + len(self.payload) * 1000 / mulaw.SAMPLES_PER_SECOND


class Hearing:
    """Frames of mu-law in order of arrival."""

    def __init__(self) -> None:
        self._frames: list[HeardFrame] = []
        self._last_sound: HeardFrame | None = None
        self._first_sound: HeardFrame | None = None

    def add(self, payload: bytes, at_ms: float) -> None:
        frame = HeardFrame(at_ms, mulaw.level(payload), payload)
        if len(self._frames) < MAXIMUM_FRAMES:
            self._frames.append(frame)
        if frame.is_sound:
            self._last_sound = frame
            self._first_sound = self._first_sound or frame

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def frames(self) -> tuple[HeardFrame, ...]:
        return tuple(self._frames)

    @property
    def first_packet_ms(self) -> float | None:
        return self._frames[0].at_ms if self._frames else None

    @property
    def first_sound_ms(self) -> float | None:
        return self._first_sound.at_ms if self._first_sound else None

    @property
    def last_sound_ms(self) -> float | None:
        return self._last_sound.end_ms if self._last_sound else None

    def audio(self, from_ms: float = 0, to_ms: float = float("inf")) -> bytes:
        """Return the mu-law heard in a span, frame after frame without the gaps between packets."""
        return b"".join(frame.payload for frame in self._frames if from_ms <= frame.at_ms < to_ms)

    def sounds(self, *, join_ms: float = 200) -> tuple[tuple[float, float], ...]:
        """Return (start, end) of each stretch of sound; pauses up to `join_ms` do not part two stretches."""
        return tuple(_stretches((frame for frame in self._frames if frame.is_sound), join_ms))

    def longest_silence_ms(self, from_ms: float, to_ms: float) -> float:
        """Return the longest time in a span without sound: silent packets and missing packets alike."""
        edge = from_ms
        longest = 0.0
        for start, end in self.sounds(join_ms=0):
            if end <= from_ms or start >= to_ms:
                continue
            longest = max(longest, start - edge)
            edge = max(edge, min(end, to_ms))
        return max(longest, to_ms - edge)

    def is_my_turn(self, since_ms: float, now_ms: float) -> bool:
        """Tell whether the other side has spoken after `since_ms` and been quiet for `TURN_QUIET_MS` now."""
        last = self.last_sound_ms
        return last is not None and last > since_ms and now_ms - last >= TURN_QUIET_MS


def _stretches(frames: Iterator[HeardFrame], join_ms: float) -> Iterator[tuple[float, float]]:
    start: float | None = None
    end = 0.0
    for frame in frames:
        if start is None:
            start = frame.at_ms
        elif frame.at_ms > end + join_ms:
            yield start, end
            start = frame.at_ms
        end = max(end, frame.end_ms)
    if start is not None:
        yield start, end
