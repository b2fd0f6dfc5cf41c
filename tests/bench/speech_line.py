"""What a telephone line makes of a voice: band, level, noise, another speaker, mu-law, lost packets. Pure, by seed."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from agi.speech.recogniser import FRAME_SAMPLES, SAMPLE_RATE, Samples
from tollbridge.phone import mulaw

Floats = NDArray[np.float64]
Frames = tuple[bytes | None, ...]
"""mu-law packets of 20 ms; None is one that never arrives."""


class Condition(StrEnum):
    """One way a call can sound. over_talk: somebody else in the room talks too, 15 dB below the caller."""

    CLEAN = "clean"
    NOISE_20_DB = "20 dB"
    NOISE_10_DB = "10 dB"
    NOISE_5_DB = "5 dB"
    LOSS_1 = "loss 1 %"
    LOSS_3 = "loss 3 %"
    LEADING_SILENCE = "leading silence"
    OVER_TALK = "over-talk"


BAR_CONDITIONS = (Condition.CLEAN, Condition.NOISE_20_DB, Condition.LOSS_1, Condition.LOSS_3)
"""Those over which the bars are told, together."""
_QUIETEST_DB, _LOUDEST_DB = -30.0, -17.0
_LINE_SNR_DB = 42.0
_SNR_DB = {Condition.NOISE_20_DB: 20.0, Condition.NOISE_10_DB: 10.0, Condition.NOISE_5_DB: 5.0}
_LOSS = {Condition.LOSS_1: 0.01, Condition.LOSS_3: 0.03}
_OVER_TALK_DB = 15.0
_LEAD_SECONDS, _LONG_LEAD_SECONDS, _TRAIL_SECONDS = 0.5, 2.0, 1.3
_SPOKEN_SHARE = 0.06


@dataclass(frozen=True, kw_only=True)
class Line:
    """What comes down the line: packets, and where the speech in it starts and ends (seconds; 0, 0 for none)."""

    frames: Frames
    speech_started_seconds: float
    speech_ended_seconds: float

    @property
    def clip(self) -> bytes:
        """All packets as one piece of mu-law, lost ones as silence."""
        return b"".join(frame or bytes([mulaw.SILENCE]) * FRAME_SAMPLES for frame in self.frames)

    def heard(self) -> Samples:
        """The packets that arrive, one after the other: what Asterisk hands on (it fills no gaps)."""
        linear = mulaw.decode(b"".join(frame for frame in self.frames if frame is not None))
        return np.frombuffer(linear, "<i2").astype(np.int16)


def on_the_line(speech: Floats, condition: Condition, seed: str, babble: Sequence[Floats]) -> Line:
    """Return `speech` (8 kHz, any level) as the line hands it over; the same seed gives the same packets."""
    dice = np.random.default_rng(zlib.crc32(seed.encode()))
    lead = _LONG_LEAD_SECONDS if condition is Condition.LEADING_SILENCE else _LEAD_SECONDS
    level = 32768 * 10 ** (dice.uniform(_QUIETEST_DB, _LOUDEST_DB) / 20)
    audio = np.concatenate([np.zeros(_samples(lead)), speech, np.zeros(_samples(_TRAIL_SECONDS))])
    audio = _band(audio) * level / max(spoken_rms(speech), 1e-9)
    audio = audio + _around(dice, condition, len(audio), level, babble)
    frames = _packets(audio)
    lost = dice.random(len(frames)) < _LOSS.get(condition, 0.0)
    return Line(
        frames=tuple(None if gone else frame for frame, gone in zip(frames, lost, strict=True)),
        speech_started_seconds=lead,
        speech_ended_seconds=lead + len(speech) / SAMPLE_RATE,
    )


def noise_alone(kind: str, seconds: float, seed: str, babble: Sequence[Floats]) -> Line:
    """Return a line without a caller's words. `kind`: silence, white, pink, babble, music or hum."""
    dice = np.random.default_rng(zlib.crc32(seed.encode()))
    count = _samples(seconds)
    audio = (
        np.zeros(count) if kind == "silence" else _noise(dice, count, kind, babble) * 32768 * 10 ** (-26 / 20)
    )
    return Line(
        frames=_packets(audio + _hiss(dice, count, 8.0)), speech_started_seconds=0.0, speech_ended_seconds=0.0
    )


NOISES = ("silence", "white", "pink", "babble", "music", "hum")


def _around(
    dice: np.random.Generator, condition: Condition, count: int, level: float, babble: Sequence[Floats]
) -> Floats:
    snr = _SNR_DB.get(condition)
    if snr is not None:
        kind = str(dice.choice(["white", "pink", "babble"]))
        return _noise(dice, count, kind, babble) * level / 10 ** (snr / 20)
    line = _noise(dice, count, "pink", babble) * level / 10 ** (_LINE_SNR_DB / 20)
    if condition is Condition.OVER_TALK:
        line = line + _one_speaker(dice, count, babble) * level / 10 ** (_OVER_TALK_DB / 20)
    return line


def _noise(dice: np.random.Generator, count: int, kind: str, babble: Sequence[Floats]) -> Floats:
    """Noise of one kind in the telephone band, of RMS 1."""
    match kind:
        case "white":
            noise = dice.standard_normal(count)
        case "pink":
            noise = _pink(dice, count)
        case "babble":
            noise = np.sum([_one_speaker(dice, count, babble) for _ in range(6)], axis=0)
        case "music":
            noise = _music(dice, count)
        case _:
            noise = np.sin(2 * np.pi * 120 * np.arange(count) / SAMPLE_RATE) + 0.3 * dice.standard_normal(
                count
            )
    noise = _band(noise)
    return np.asarray(noise / max(float(noise.std()), 1e-9), np.float64)


def _pink(dice: np.random.Generator, count: int) -> Floats:
    """Noise whose power falls with the frequency."""
    spectrum = np.fft.rfft(dice.standard_normal(count))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1.0))
    return np.fft.irfft(spectrum, count)


def _one_speaker(dice: np.random.Generator, count: int, babble: Sequence[Floats]) -> Floats:
    """Somebody talking all the time, of RMS 1 where they speak."""
    said: list[Floats] = []
    while sum(map(len, said)) < count + SAMPLE_RATE:
        clip = babble[int(dice.integers(len(babble)))]
        said.append(clip / max(spoken_rms(clip), 1e-9))
    start = int(dice.integers(SAMPLE_RATE))
    return np.concatenate(said)[start : start + count]


def _music(dice: np.random.Generator, count: int) -> Floats:
    """Chords of plucked notes, a beat twice a second."""
    audio = np.zeros(count)
    for start in range(0, count, SAMPLE_RATE // 2):
        time = np.arange(min(SAMPLE_RATE, count - start)) / SAMPLE_RATE
        root = 220.0 * 2 ** (int(dice.integers(12)) / 12)
        for interval in (0, 4, 7, 12):
            pitch = root * 2 ** (interval / 12)
            for harmonic in (1, 2, 3):
                tone = np.sin(2 * np.pi * pitch * harmonic * time) * np.exp(-3 * time) / harmonic
                audio[start : start + len(time)] += tone
    return audio


def _hiss(dice: np.random.Generator, count: int, level: float) -> Floats:
    return np.asarray(dice.standard_normal(count) * level, np.float64)


def _band(audio: Floats) -> Floats:
    """Keep 300 to 3400 Hz."""
    taps = np.arange(-64, 65)
    window = np.hamming(129)
    low, high = (2 * cut / SAMPLE_RATE for cut in (300, 3400))
    kernel = (high * np.sinc(high * taps) - low * np.sinc(low * taps)) * window
    size = 1 << (len(audio) + 128).bit_length()
    filtered = np.fft.irfft(np.fft.rfft(audio, size) * np.fft.rfft(kernel, size), size)
    return filtered[64 : 64 + len(audio)]


def spoken_rms(audio: Floats) -> float:
    """RMS of the frames in which something is said."""
    frames = audio[: max(len(audio) // FRAME_SAMPLES, 1) * FRAME_SAMPLES]
    if len(frames) < FRAME_SAMPLES:
        return float(np.sqrt(np.mean(np.square(audio)))) if len(audio) else 0.0
    levels = np.sqrt(np.square(frames.reshape(-1, FRAME_SAMPLES)).mean(1))
    return float(np.sqrt(np.square(levels[levels > levels.max() * _SPOKEN_SHARE]).mean()))


def _packets(audio: Floats) -> tuple[bytes, ...]:
    linear = audio.clip(-32635, 32635).astype("<i2")
    code = _MU_LAW[linear.astype(np.int32) + 32768].tobytes()
    return tuple(
        code[at : at + FRAME_SAMPLES] for at in range(0, len(code) - FRAME_SAMPLES + 1, FRAME_SAMPLES)
    )


def _samples(seconds: float) -> int:
    return int(seconds * SAMPLE_RATE)


_MU_LAW = np.frombuffer(mulaw.encode(np.arange(-32768, 32768).astype("<i2").tobytes()), np.uint8)
