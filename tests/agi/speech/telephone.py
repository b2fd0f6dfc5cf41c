"""Audio as a telephone line hands it over: 8 kHz, mu-law, some hiss, silence around the words."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agi.speech.endpointer import Endpointer, EndpointEvent
from agi.speech.recogniser import FRAME_SAMPLES, SAMPLE_RATE, Utterance

Samples = NDArray[np.int16]
HISS = 15.0


def read_wav(path: Path) -> Samples:
    with wave.open(str(path), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)


def write_wav(path: Path, samples: Samples) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def mu_law(samples: NDArray[np.float64]) -> Samples:
    """What is left after G.711 mu-law, there and back."""
    clipped = np.clip(samples, -32635, 32635)
    size = np.abs(clipped) + 132
    exponent = np.floor(np.log2(size)).clip(7, 14) - 7
    step = 2.0 ** (exponent + 3)
    restored = (np.floor(size / step) + 0.5) * step - 132
    received = np.asarray(np.sign(clipped) * restored, np.float64)
    return received.clip(-32767, 32767).astype(np.int16)


def on_the_line(
    speech: Samples, lead_seconds: float = 0.5, trail_seconds: float = 1.0, hiss: float = HISS
) -> Samples:
    """Speech with silence around it, cut to whole frames."""
    lead, trail = (np.zeros(int(seconds * SAMPLE_RATE)) for seconds in (lead_seconds, trail_seconds))
    audio = np.concatenate([lead, speech.astype(np.float64), trail])
    audio += np.random.default_rng(7).standard_normal(len(audio)) * hiss
    return mu_law(audio[: len(audio) // FRAME_SAMPLES * FRAME_SAMPLES])


def quiet_line(seconds: float) -> Samples:
    return on_the_line(np.zeros(0, np.int16), lead_seconds=seconds, trail_seconds=0)


def frames(samples: Samples) -> Iterator[Samples]:
    for at in range(0, len(samples) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        yield samples[at : at + FRAME_SAMPLES]


def utterance_in(samples: Samples) -> Utterance:
    """What the end-pointer cuts out of a line's audio."""
    endpointer = Endpointer()
    for frame in frames(samples):
        if endpointer.feed(frame) is EndpointEvent.ENDED:
            return endpointer.utterance()
    raise AssertionError("no speech was found")
