"""The voices of the test set, as their programs say them: piper's Joe, espeak-ng's formants, flite's recorded speakers.

`make setup` with tests installs all three. Nothing here is imported from them: each is run.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import wave
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from agi.speech.prompts import voice_model

RATE = 8000
Floats = NDArray[np.float32]
_AT_ONCE = 2
_SPOKEN_SHARE = 0.01


class Program(StrEnum):
    PIPER = "piper"
    ESPEAK = "espeak-ng"
    FLITE = "flite"


@dataclass(frozen=True, kw_only=True)
class Voice:
    """One voice. `slowness` is piper's length scale; `pitch` (1 = as it is) is raised by playing faster."""

    name: str
    program: Program
    model: str = ""
    slowness: float = 1.0
    pitch: float = 1.0


def _espeak(model: str, pitch: float = 1.0) -> Voice:
    return Voice(name=f"espeak-{model}", program=Program.ESPEAK, model=model, pitch=pitch)


VOICES: tuple[Voice, ...] = (
    Voice(name="joe", program=Program.PIPER, model="joe"),
    Voice(name="joe-fast", program=Program.PIPER, model="joe", slowness=0.82),
    Voice(name="joe-slow", program=Program.PIPER, model="joe", slowness=1.25),
    Voice(name="joe-high", program=Program.PIPER, model="joe", slowness=1.1, pitch=1.14),
    Voice(name="joe-low", program=Program.PIPER, model="joe", slowness=0.9, pitch=0.9),
    *(_espeak(model) for model in ("en-us", "en-us+f2", "en-us+m3", "en-gb-x-rp+f4")),
    *(
        Voice(name=f"flite-{model}", program=Program.FLITE, model=model)
        for model in ("kal16", "awb", "rms", "slt")
    ),
)


class VoiceMissing(Exception):
    """A program cannot be run; str() says how to get it."""


def speak(voice: Voice, texts: Sequence[str]) -> list[Floats]:
    """Return each text as `voice` says it: 8 kHz, -1 to 1, without the silence around it. Raises VoiceMissing."""
    with tempfile.TemporaryDirectory(prefix="tbvoice-") as folder:
        try:
            if voice.program is Program.PIPER:
                files = _by_piper(voice, texts, Path(folder))
            else:
                files = _one_by_one(voice, texts, Path(folder))
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            raise VoiceMissing(
                f"{voice.program} cannot say the test set ({error}): run `make setup`"
            ) from error
        return [_cut(_read(file, voice.pitch)) for file in files]


def _by_piper(voice: Voice, texts: Sequence[str], folder: Path) -> list[Path]:
    lines, output = folder / "texts.txt", folder / "spoken"
    lines.write_text("".join(f"{text}.\n" for text in texts), "utf8")
    piper = Path(sys.executable).parent / "piper"
    command = [
        str(piper), "--model", str(voice_model(voice.model)), "--length-scale", str(voice.slowness),
        # No dice: the same text always sounds the same.
        "--noise-scale", "0", "--noise-w-scale", "0", "--input-file", str(lines), "--output-dir", str(output),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return sorted(output.glob("*.wav"), key=lambda file: int(file.stem))


def _one_by_one(voice: Voice, texts: Sequence[str], folder: Path) -> list[Path]:
    def say(number: int) -> Path:
        file = folder / f"{number}.wav"
        if voice.program is Program.ESPEAK:
            command = ["espeak-ng", "-v", voice.model, "-s", "150", "-w", str(file), texts[number]]
        else:
            command = ["flite", "-voice", voice.model, "-t", texts[number], "-o", str(file)]
        subprocess.run(command, check=True, capture_output=True)
        return file

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(say, range(len(texts))))


def _read(file: Path, pitch: float) -> Floats:
    with wave.open(str(file), "rb") as sound:
        audio = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(np.float32) / np.float32(
            32768
        )
        rate = sound.getframerate()
    resampled: Floats = soxr.resample(audio, rate * pitch, RATE, "HQ")
    return resampled


def _cut(audio: Floats) -> Floats:
    loud = np.flatnonzero(np.abs(audio) > np.abs(audio).max(initial=1e-9) * _SPOKEN_SHARE)
    if not len(loud):
        return audio
    return audio[max(0, loud[0] - RATE // 100) : loud[-1] + RATE // 40]
