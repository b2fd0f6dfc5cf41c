"""Prompt files as frames of 20 ms, kept in memory for the next caller."""

from __future__ import annotations

import wave
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agi.speech.recogniser import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE

MAXIMUM_PROMPT_BYTES = 300 * SAMPLE_RATE * 2
"""Five minutes."""
_CACHE_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class PromptAudio:
    """16 bit little-endian audio in frames of 320 bytes, and how loud each is (dB)."""

    audio: bytes
    levels_db: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.levels_db)

    def frame(self, number: int) -> bytes:
        return self.audio[number * FRAME_BYTES : (number + 1) * FRAME_BYTES]


class PromptCache:
    """Wav files by path, read again when they change. The oldest go when 32 MB are full."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[Path, int, int], PromptAudio] = OrderedDict()
        self._bytes = 0

    def load(self, paths: Sequence[Path]) -> PromptAudio:
        """All prompts as one. Raises OSError for a file that cannot be read, ValueError for one of the wrong
        format.
        """
        parts = [self._load_one(path) for path in paths]
        if len(parts) == 1:
            return parts[0]
        levels = [np.zeros(0), *(part.levels_db for part in parts)]
        return PromptAudio(audio=b"".join(part.audio for part in parts), levels_db=np.concatenate(levels))

    def _load_one(self, path: Path) -> PromptAudio:
        status = path.stat()
        key = (path, status.st_mtime_ns, status.st_size)
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        prompt = read_prompt(path)
        self._known[key] = prompt
        self._bytes += len(prompt.audio)
        while self._bytes > _CACHE_BYTES and len(self._known) > 1:
            self._bytes -= len(self._known.popitem(last=False)[1].audio)
        return prompt


def read_prompt(path: Path) -> PromptAudio:
    """Raises OSError, or ValueError when the file is not 8 kHz mono 16 bit wav of at most five minutes."""
    try:
        with wave.open(str(path), "rb") as file:
            shape = (file.getframerate(), file.getnchannels(), file.getsampwidth())
            if shape != (SAMPLE_RATE, 1, 2) or file.getnframes() * 2 > MAXIMUM_PROMPT_BYTES:
                raise ValueError(f"{path.name} is not a short 8 kHz mono 16 bit wav file")
            audio = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path.name} is no wav file: {error}") from error
    audio += bytes(-len(audio) % FRAME_BYTES)
    # All at once: a long prompt read frame by frame would hold up everybody else's frames.
    samples = np.frombuffer(audio, "<i2").reshape(-1, FRAME_SAMPLES).astype(np.float32)
    levels = 10 * np.log10(np.square(samples).mean(1, dtype=np.float64) + 1)
    return PromptAudio(audio=audio, levels_db=levels)
