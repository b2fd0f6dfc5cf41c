"""Where an answer starts and ends, on 20 ms frames of 8 kHz audio: webrtcvad behind an energy gate that
follows the noise.

Pure in that it keeps no clock: time is the number of frames fed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import webrtcvad

from agi.speech.recogniser import FRAME_SECONDS, SAMPLE_RATE, Samples, Utterance

QUIETEST_SPEECH_DB = 22.0
"""Below this level (dB over one unit of amplitude squared) nothing is speech."""
_HIGHEST_FIRST_FLOOR_DB = 45.0
_LOST_FRAME_FADE = 0.6
_STANDS_OUT_DB = 12.0
"""Speech has begun: what stands out so far from the noise goes on with it, whatever webrtcvad thinks. In noise 20 dB
below a voice it calls whole words noise: of 340 answers of the development half 4 were not heard at all and 14 cut by
more than 20 ms; so it is 2 and 5.
"""


class EndpointEvent(StrEnum):
    """started: enough speech to stop a prompt for. paused: a short silence, decode on trial. settled: a longer one,
    more audio would not change what was said: who has said a whole answer has said it.
    """

    STARTED = "started"
    PAUSED = "paused"
    SETTLED = "settled"
    ENDED = "ended"


@dataclass(frozen=True, kw_only=True)
class EndpointSettings:
    """Lengths in frames of 20 ms, levels in dB."""

    vad_mode: int = 2
    gate_db: float = 6.0
    start_speech_frames: int = 3
    start_window_frames: int = 5
    minimum_speech_frames: int = 6
    pause_frames: int = 10
    settled_frames: int = 15
    quiet_frames: int = 20
    end_frames: int = 30
    false_start_frames: int = 10
    maximum_frames: int = 400
    lead_frames: int = 15
    trail_frames: int = 20


class Endpointer:
    """Feed it frames; take `utterance()` at PAUSED and ENDED. Memory is bounded by `maximum_frames`."""

    def __init__(self, settings: EndpointSettings | None = None) -> None:
        self._settings = settings or EndpointSettings()
        self._vad = webrtcvad.Vad(self._settings.vad_mode)
        kept = self._settings.maximum_frames + self._settings.lead_frames + self._settings.end_frames + 10
        self._frames: deque[Samples] = deque(maxlen=kept)
        self._recent: deque[bool] = deque(maxlen=max(5, self._settings.start_window_frames))
        self._count = 0
        self._floor_db: float | None = None
        self._last_frame: Samples | None = None
        self._in_speech = False
        self._announced = False
        self._peak_db = 0.0
        self._first = 0
        self._last = 0
        self._speech_frames = 0

    @property
    def speaking(self) -> bool:
        """True from STARTED on until the utterance ended."""
        return self._announced

    @property
    def stirring(self) -> bool:
        """True while what is heard may turn out to be speech, before STARTED: a reason to hold a prompt."""
        return self._in_speech and not self._announced

    @property
    def quiet(self) -> bool:
        """True after a silence in which one who has more to say would have gone on, most times."""
        return self._announced and self._count - 1 - self._last >= self._settings.quiet_frames

    @property
    def cut_off(self) -> bool:
        """True when the utterance that ended was longer than `maximum_frames`."""
        return self._last + 1 - self._first >= self._settings.maximum_frames

    @property
    def speech_started_frame(self) -> int:
        """Number of the utterance's first frame, counted from the first one fed."""
        return self._first

    @property
    def speech_ended_frame(self) -> int:
        return self._last + 1

    def feed(self, frame: Samples, echo_db: float | None = None) -> EndpointEvent | None:
        """Take one frame of 160 samples. `echo_db`: level that an echo of our own prompt may have now."""
        frame, speech = self._judge(frame, echo_db)
        self._frames.append(frame)
        self._recent.append(speech)
        self._count += 1
        return self._within_speech(speech) if self._in_speech else self._before_speech()

    def utterance(self) -> Utterance:
        """The speech so far with some silence around it."""
        oldest = self._count - len(self._frames)
        start = max(oldest, self._first - self._settings.lead_frames)
        end = min(self._count, self._last + 1 + self._settings.trail_frames)
        frames = list(self._frames)[start - oldest : end - oldest]
        return Utterance(
            samples=np.concatenate(frames) if frames else np.zeros(0, np.int16),
            speech_seconds=(self._last - self._first + 1) * FRAME_SECONDS,
        )

    def _judge(self, frame: Samples, echo_db: float | None) -> tuple[Samples, bool]:
        if not frame.any() and self._last_frame is not None:
            # All zeros is a lost packet: go on with the last one, faded, and with what was thought of it.
            self._last_frame = (self._last_frame * _LOST_FRAME_FADE).astype(np.int16)
            return self._last_frame, bool(self._recent and self._recent[-1] and self._last_frame.any())
        self._last_frame = frame
        level_db = frame_level_db(frame)
        loud = level_db > max(self._threshold_db(level_db), QUIETEST_SPEECH_DB, echo_db or 0.0)
        return frame, loud and (self._goes_on(level_db) or self._sounds_spoken(frame))

    def _goes_on(self, level_db: float) -> bool:
        return self._in_speech and self._floor_db is not None and level_db > self._floor_db + _STANDS_OUT_DB

    def _sounds_spoken(self, frame: Samples) -> bool:
        return bool(self._vad.is_speech(frame.astype("<i2").tobytes(), SAMPLE_RATE))

    def _threshold_db(self, level_db: float) -> float:
        """Level above which a frame counts: over the noise floor, in speech not far below its peak."""
        floor = self._follow_floor(level_db)
        gate = self._settings.gate_db
        if self._in_speech:
            self._peak_db = max(self._peak_db - 0.02, level_db)
            gate = min(max(gate, 0.5 * (self._peak_db - floor)), max(gate, 18.0))
        return floor + gate

    def _follow_floor(self, level_db: float) -> float:
        floor = self._floor_db
        if floor is None:
            floor = min(level_db, _HIGHEST_FIRST_FLOOR_DB)
        elif level_db < floor:
            floor += 0.3 * (level_db - floor)
        else:
            floor += 0.01 if self._in_speech else min(0.04, 0.05 * (level_db - floor))
        self._floor_db = floor
        return floor

    def _before_speech(self) -> EndpointEvent | None:
        settings = self._settings
        window = list(self._recent)[-settings.start_window_frames :]
        if sum(window) >= settings.start_speech_frames:
            self._in_speech = True
            self._peak_db = frame_level_db(self._frames[-1])
            self._first = max(0, self._count - settings.start_window_frames)
            self._last = self._count - 1
            self._speech_frames = settings.start_speech_frames
        return None

    def _within_speech(self, speech: bool) -> EndpointEvent | None:
        settings = self._settings
        now = self._count - 1
        if speech:
            self._speech_frames += 1
            if sum(list(self._recent)[-5:]) >= 2:
                self._last = now
        if now - self._last >= settings.end_frames or now - self._first >= settings.maximum_frames:
            return self._end()
        if not self._announced and self._speech_frames >= settings.minimum_speech_frames:
            self._announced = True
            return EndpointEvent.STARTED
        if not self._announced:
            self._in_speech = now - self._last < settings.false_start_frames
            return None
        quiet = {settings.pause_frames: EndpointEvent.PAUSED, settings.settled_frames: EndpointEvent.SETTLED}
        return quiet.get(now - self._last)

    def _end(self) -> EndpointEvent | None:
        enough = self._announced
        self._in_speech = self._announced = False
        return EndpointEvent.ENDED if enough else None


def frame_level_db(frame: Samples) -> float:
    """Mean power of a frame in dB; 0 for silence, about 90 for full scale."""
    return float(10 * np.log10(np.mean(frame.astype(np.float64) ** 2) + 1))
