"""The speech test set: built from the voices that are installed, the same every time, kept in the cache folder.

    python -m tests.bench.speech_set          build what is missing and say what there is

Half of it may be looked at when anything is tuned; the other half judges (`make bench-speech`) and nothing else ever
sees it. Which half an item is in is decided by the digest of its voice and phrase, so every condition of one utterance
lies in one half. Every voice is in both halves, with other phrases; what Joe says in one half, another of his five
variants (faster, slower, higher, lower) may say in the other. So the untouched half has new utterances, and no new
speakers.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.bench.report import progress
from tests.bench.speech_line import NOISES, Condition, Line, noise_alone, on_the_line
from tests.bench.speech_phrases import ANSWERS, NO_ANSWERS, OUT_OF_GRAMMAR
from tests.bench.speech_voices import VOICES, Voice, VoiceMissing, speak
from tollbridge.settings import Settings

Floats = NDArray[np.float64]
RECIPE = "1"
"""Raise it when anything but the voices and texts changes what they sound like."""
NOISE = "noise"
_NOISE_SECONDS = 4.0
_NOISE_VARIANTS = 10
_BABBLE_CLIPS = 60


class Half(StrEnum):
    DEVELOPMENT = "development"
    UNTOUCHED = "untouched"


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing a caller does. `grammar` is None for speech or noise that answers no question; then `value` is ''."""

    grammar: str | None
    value: str
    phrase: str
    voice: str
    condition: Condition
    half: Half
    speech: Floats
    babble: tuple[Floats, ...]

    @property
    def is_noise(self) -> bool:
        return self.voice == NOISE

    @cached_property
    def line(self) -> Line:
        seed = f"{self.voice}|{self.phrase}|{self.condition}"
        if self.is_noise:
            kind = self.phrase.partition(" ")[0]
            return noise_alone(kind, _NOISE_SECONDS, seed, self.babble)
        return on_the_line(self.speech, self.condition, seed, self.babble)


def load(
    half: Half,
    *,
    grammars: Iterable[str] | None = None,
    conditions: Sequence[Condition] = tuple(Condition),
    voices: Sequence[str] = (),
    with_no_answers: bool = True,
    folder: Path | None = None,
) -> Iterator[Item]:
    """Yield the items of one half. Builds what is not in the cache folder yet. Raises VoiceMissing, OSError."""
    wanted = tuple(ANSWERS) if grammars is None else tuple(grammars)
    folder = folder or set_folder()
    said = [(grammar, value, phrase) for grammar in wanted for phrase, value in ANSWERS[grammar]]
    if with_no_answers:
        said += [(OUT_OF_GRAMMAR, "", phrase) for phrase in NO_ANSWERS]
    babble = babble_of(folder, half)
    for voice in VOICES:
        if voices and voice.name not in voices:
            continue
        spoken = spoken_by(voice, folder)
        for grammar, value, phrase in said:
            if half_of(voice.name, phrase) is not half:
                continue
            for condition in conditions:
                yield Item(
                    grammar=None if grammar == OUT_OF_GRAMMAR else grammar, value=value, phrase=phrase,
                    voice=voice.name, condition=condition, half=half, speech=spoken[phrase], babble=babble,
                )  # fmt: skip
    if with_no_answers and not voices:
        yield from _noises(half, babble)


def _noises(half: Half, babble: tuple[Floats, ...]) -> Iterator[Item]:
    for kind in NOISES:
        for variant in range(_NOISE_VARIANTS):
            phrase = f"{kind} {variant}"
            if half_of(NOISE, phrase) is half:
                yield Item(
                    grammar=None, value="", phrase=phrase, voice=NOISE, condition=Condition.CLEAN, half=half,
                    speech=np.zeros(0), babble=babble,
                )  # fmt: skip


def half_of(voice: str, phrase: str) -> Half:
    digest = hashlib.sha256(f"{voice}|{phrase}".encode()).digest()
    return Half.DEVELOPMENT if digest[0] % 2 else Half.UNTOUCHED


def texts() -> tuple[str, ...]:
    """Every text of the set, each once, in a fixed order."""
    answers = (phrase for said in ANSWERS.values() for phrase, _ in said)
    return tuple(dict.fromkeys((*answers, *NO_ANSWERS)))


def spoken_by(voice: Voice, folder: Path) -> dict[str, Floats]:
    """Return every text as `voice` says it, from the cache or from its program. Raises VoiceMissing, OSError."""
    file = folder / f"{voice.name}-{_digest(voice)}.npz"
    if not file.is_file():
        _build(voice, file)
    return _read(file)


def set_folder() -> Path:
    return Settings().cache_dir / "speech-set"


@lru_cache(maxsize=4)
def babble_of(folder: Path, half: Half) -> tuple[Floats, ...]:
    """Sentences for others to say in the background: utterances of this half's own, so that the halves share none."""
    clips = [
        clip
        for voice in VOICES
        for phrase, clip in spoken_by(voice, folder).items()
        if phrase in NO_ANSWERS and half_of(voice.name, phrase) is half
    ]
    return tuple(sorted(clips, key=lambda clip: zlib.crc32(clip.tobytes()))[:_BABBLE_CLIPS])


def _digest(voice: Voice) -> str:
    return hashlib.sha256(f"{RECIPE}|{voice!r}|{json.dumps(texts())}".encode()).hexdigest()[:16]


def _build(voice: Voice, file: Path) -> None:
    progress(f"the voice {voice.name} says {len(texts())} texts")
    clips = [(clip * 32767).clip(-32767, 32767).astype(np.int16) for clip in speak(voice, texts())]
    if len(clips) != len(texts()):
        raise VoiceMissing(f"{voice.program} said {len(clips)} of {len(texts())} texts: run it again")
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.npz")
    ends = np.cumsum([len(clip) for clip in clips])
    np.savez(temporary, audio=np.concatenate(clips), ends=ends)
    temporary.replace(file)


@lru_cache(maxsize=len(VOICES))
def _read(file: Path) -> dict[str, Floats]:
    with np.load(file) as kept:
        audio, ends = kept["audio"], kept["ends"]
    parts = np.split(audio.astype(np.float64) / 32768, ends[:-1])
    return dict(zip(texts(), parts, strict=True))


def main() -> int:
    folder = set_folder()
    try:
        for voice in VOICES:
            spoken_by(voice, folder)
    except (VoiceMissing, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    for half in Half:
        count = sum(1 for _ in load(half, conditions=(Condition.CLEAN,), folder=folder))
        progress(f"{half}: {count} utterances, each in {len(Condition)} conditions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
