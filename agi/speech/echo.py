"""Tells a caller's voice from the echo of our own prompt. Pure: what was sent and what came back are fed in.

Two tests, either is enough to call a frame echo. It is much weaker than the prompt was lately; or the last 80 ms are
little else than a delayed copy of what we sent, whatever their level, and delayed as the frames before were, but for
whole frames that were lost or came in a bunch: a vowel finds something like itself in any voice, but elsewhere each
20 ms. Where a frame is missing the copy is torn for 80 ms: no louder than the copies before, that is still echo.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from agi.speech.endpointer import frame_level_db
from agi.speech.recogniser import FRAME_SAMPLES, Samples

Floats = NDArray[np.float64]

_SENT_FRAMES = 36
"""How far back an echo may come from: half a second, and a fifth more that we may have been held up."""
_LEAST_LOSS_DB, _MOST_LOSS_DB = 18.0, 36.0
"""An echo at least this much weaker than the prompt is told by its level alone; on a line that shows none, soft voices
down to the other are heard.
"""
_LOSS_MARGIN_DB = 8.0
_LEARNT_FRAMES = 15
_OBSERVED_FRAMES = 100
_LOUDEST_ECHOES = 25
"""One in so many of the frames observed may be louder than what a line is thought to let back: a caller's soft first
sound is no echo that the line has shown.
"""
_COMPARED_FRAMES = 4
_COPY_SHARE = 0.75
"""From this share of the power on, explained by a delayed copy, sound is an echo."""
_AUDIBLE_DB = 30.0
_FFT_SIZE = 6400
_TAPS = 4
_SAME_DELAY_SAMPLES = 3
_TORN_FRAMES = 5
_TORN_MARGIN_DB = 3.0
_EMPHASIS = 0.95
"""Both sides lose their low notes first, which a line filters and in which all voices are alike."""
ALL_ECHO_DB = 200.0


class EchoGate:
    """Feed it each frame sent and each frame heard, in step."""

    def __init__(self) -> None:
        self._sent: deque[Samples] = deque(maxlen=_SENT_FRAMES)
        self._levels_db: deque[float] = deque(maxlen=_SENT_FRAMES)
        self._heard: deque[Samples] = deque(maxlen=_COMPARED_FRAMES)
        self._losses_db: deque[float] = deque(maxlen=_OBSERVED_FRAMES)
        self._delays: deque[int] = deque(maxlen=4)
        self._copy_losses_db: deque[float] = deque(maxlen=_OBSERVED_FRAMES)
        self._since_copy = _TORN_FRAMES + 1

    def sent(self, frame: Samples | None, level_db: float = 0.0) -> None:
        """One frame of the prompt has left; None for silence."""
        self._sent.append(_SILENCE if frame is None else frame)
        self._levels_db.append(0.0 if frame is None else level_db)

    def heard(self, frame: Samples) -> float:
        """Return the level (dB, as frame_level_db) up to which this frame of the caller is our own echo."""
        self._heard.append(frame)
        loudest = max(self._levels_db, default=0.0)
        if loudest < _AUDIBLE_DB:
            return 0.0
        level_db, below_db = frame_level_db(frame), loudest - self._loss_db()
        if level_db <= max(below_db, _AUDIBLE_DB):
            self._losses_db.append(loudest - level_db)
            return below_db
        if self._is_copy():
            self._copy_losses_db.append(loudest - level_db)
            self._since_copy = 0
            return ALL_ECHO_DB
        self._since_copy += 1
        return max(below_db, self._torn_copy_db(loudest))

    def _is_copy(self) -> bool:
        share, delay = self._copied_share()
        if share <= _COPY_SHARE:
            return False
        known = not self._delays or any(_same_phase(delay, each) for each in self._delays)
        self._delays.append(delay)
        return known

    def _torn_copy_db(self, loudest_db: float) -> float:
        """Level up to which a frame soon after copies is one too, only torn by a frame that was lost."""
        if self._since_copy > _TORN_FRAMES:
            return 0.0
        return loudest_db - min(self._copy_losses_db) + _TORN_MARGIN_DB

    def _loss_db(self) -> float:
        """How much weaker than the prompt its echo is at least, by what this line has shown."""
        if len(self._losses_db) < _LEARNT_FRAMES:
            return _LEAST_LOSS_DB
        shown = sorted(self._losses_db)[len(self._losses_db) // _LOUDEST_ECHOES] - _LOSS_MARGIN_DB
        return min(max(shown, _LEAST_LOSS_DB), _MOST_LOSS_DB)

    def _copied_share(self) -> tuple[float, int]:
        """Share of the power heard lately that a delayed copy of what was sent explains, 0 to 1, and the delay
        (samples).
        """
        if len(self._heard) < _COMPARED_FRAMES:
            return 0.0, 0
        heard, sent = _emphasised(self._heard), _emphasised(self._sent)
        power = float(heard @ heard)
        size = len(sent) - len(heard) + 1
        if power <= 0 or size <= 0:
            return 0.0, 0
        spectrum = np.fft.rfft(sent, _FFT_SIZE) * np.conj(np.fft.rfft(heard, _FFT_SIZE))
        matches = np.fft.irfft(spectrum, _FFT_SIZE)[:size]
        powers = np.concatenate([[0.0], np.cumsum(np.square(sent))])
        own = powers[len(heard) :][:size] - powers[:size]
        lag = int(np.argmax(np.square(matches) / np.maximum(own, own.max() * 1e-3 + 1e-9)))
        return _explained(heard, sent, lag) / power, size - lag


def _same_phase(delay: int, other: int) -> bool:
    """True when delays (samples) are alike but for whole frames."""
    apart = abs(delay - other) % FRAME_SAMPLES
    return min(apart, FRAME_SAMPLES - apart) <= _SAME_DELAY_SAMPLES


def _explained(heard: Floats, sent: Floats, lag: int) -> float:
    """Power of `heard` that copies of `sent` around `lag` make up: a line delays by parts of samples, and filters."""
    padded = np.pad(sent, _TAPS)
    copies = np.stack([padded[lag + tap :][: len(heard)] for tap in range(2 * _TAPS + 1)])
    onto = copies @ heard
    products = copies @ copies.T
    products[np.diag_indices_from(products)] += np.trace(products) * 1e-6 + 1e-9
    return float(onto @ np.linalg.solve(products, onto))


def _emphasised(frames: deque[Samples]) -> Floats:
    audio = np.concatenate(frames).astype(np.float64)
    return audio[1:] - _EMPHASIS * audio[:-1]


_SILENCE: Samples = np.zeros(FRAME_SAMPLES, np.int16)
