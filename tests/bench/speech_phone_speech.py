"""Speech from which the phone head learns (speech_phone_fit.py): what the encoder makes of it, beside its phones.

Two sources, neither with anything of the untouched half: every utterance of the test set's development half, on one
line each; and texts drawn here (words of the model's own vocabulary, figures, numbers, dates), said by voices of the
same programs. Texts of the set are not drawn again, so what the untouched half's voices say there is not learnt here.
All of it is synthetic. What was heard is kept in the cache folder by voice.
"""

from __future__ import annotations

import hashlib
import os
import random
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agi.speech.model_audio import at_model_rate
from agi.speech.moonshine_model import MoonshineModel, Tokens, assets_folder
from agi.speech.pronunciation import Pronunciation
from ivr_flows.number_words import DIGIT_WORDS, ORDINALS, in_words
from tests.bench.report import progress
from tests.bench.speech_cases import ROOT, utterance_of
from tests.bench.speech_line import Condition, on_the_line
from tests.bench.speech_set import Half, babble_of, load, set_folder, texts
from tests.bench.speech_voices import VOICES, Program, Voice, speak
from tollbridge.settings import Settings

Frames = NDArray[np.float16]
Said = tuple[tuple[str, ...], Frames]
"""The phones of a text and the encoder's frames of somebody saying it."""

SEED = 7
RECIPE = "1"
"""Raise it when anything here changes what is said or heard."""
DRAWN_TEXTS = 60
"""For each voice; those of the set are known by what they say there."""
LINES = (
    Condition.CLEAN, Condition.CLEAN, Condition.NOISE_20_DB, Condition.NOISE_10_DB, Condition.NOISE_5_DB,
    Condition.LOSS_3,
)  # fmt: skip
_PACES = (1.0, 1.0, 1.1, 0.9)
_PROCESSES = 2
_SHORTEST_WORD = 4
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_FORMANTS = (
    "en-us+m1", "en-us+m5", "en-us+m7", "en-us+f3", "en-us+f5", "en-us-nyc", "en-us+Alicia", "en-us+Andy",
    "en-us+belinda", "en-us+caleb", "en-029", "en-us+m2",
)  # fmt: skip
_RECORDED = ("kal16", "awb", "rms", "slt")
OTHERS: tuple[Voice, ...] = (
    *(Voice(name=f"espeak-{model}", program=Program.ESPEAK, model=model) for model in _FORMANTS),
    *(
        Voice(name=f"flite-{model}-{pitch}", program=Program.FLITE, model=model, pitch=pitch)
        for model in _RECORDED
        for pitch in (0.9, 1.0, 1.12)
    ),
)
"""Voices that say drawn texts. Piper takes twenty times as long for a text: its voice is known from the set."""
_ON_THE_WAY = (
    "agi/speech/endpointer.py", "agi/speech/model_audio.py", "agi/speech/pronunciation.py",
    *(f"tests/bench/speech_{name}.py" for name in ("line", "phrases", "set", "voices")),
    "requirements.lock",
)  # fmt: skip


def speaker_of(voice: str) -> str:
    """Whoever speaks, at whatever pitch and pace: voices that are left out are left out by speaker."""
    program, _, model = voice.partition("-")
    return model.partition("-")[0] if program == Program.FLITE else program.partition("-")[0]


def learnt_from() -> dict[str, list[Said]]:
    """By voice, heard now or read from the cache folder. Raises VoiceMissing, OSError."""
    folder = Settings().cache_dir / "speech-phones" / _digest()
    folder.mkdir(parents=True, exist_ok=True)
    files = {voice.name: folder / f"{voice.name}.npz" for voice in (*VOICES, *OTHERS)}
    missing = [file for file in files.values() if not file.is_file()]
    with ProcessPoolExecutor(_PROCESSES) as pool:
        for number, told in enumerate(pool.map(_hear, missing), 1):
            progress(f"voice {number} of {len(missing)}: {told}")
    return {name: list(_read(file)) for name, file in files.items()}


def drawn_texts(dice: random.Random, count: int) -> list[str]:
    """Texts that are not in the test set."""
    tested, found = {text.lower() for text in texts()}, list[str]()
    while len(found) < count:
        text = _text(dice)
        if text.lower() not in tested:
            found.append(text)
    return found


def _text(dice: random.Random) -> str:
    match dice.choice(("words", "words", "figures", "number", "number", "date")):
        case "words":
            return " ".join(dice.choice(vocabulary()) for _ in range(dice.choice((1, 1, 2, 3, 4))))
        case "figures":
            return " ".join(dice.choice((*DIGIT_WORDS, "oh")) for _ in range(dice.randint(1, 6)))
        case "number":
            return in_words(
                dice.choice((dice.randint(0, 99), dice.randint(100, 999), 1000 * dice.randint(5, 999)))
            )
        case _:
            year = in_words(dice.randint(20, 99))
            return f"{dice.choice(_MONTHS)} {dice.choice(ORDINALS)} nineteen {year}"


@lru_cache(maxsize=1)
def vocabulary() -> tuple[str, ...]:
    """Words that are one token of the model, and in the dictionary: those that people use."""
    pieces = Tokens(assets_folder() / "tokenizer.bin").pieces
    words = (piece.decode("utf8", "ignore")[1:].lower() for piece in pieces if piece.startswith("▁".encode()))
    known = Pronunciation()
    return tuple(word for word in dict.fromkeys(words) if len(word) >= _SHORTEST_WORD and known.knows(word))


def _hear(file: Path) -> str:
    name = file.stem
    dice = random.Random(zlib.crc32(f"{SEED}|{name}".encode()))
    model, pronunciation = MoonshineModel(), Pronunciation()
    phones, frames, babble = list[str](), list[Frames](), babble_of(set_folder(), Half.DEVELOPMENT)
    for text, speech in _said_by(name, dice):
        condition = dice.choice(LINES)
        line = on_the_line(speech, condition, f"{SEED}|{name}|{text}", babble)
        utterance = utterance_of(line.heard())
        if utterance is not None:
            hidden = model.listen(at_model_rate(utterance.samples, dice.choice(_PACES)))[0]
            phones.append(" ".join(pronunciation.phones(text)))
            frames.append(hidden.astype(np.float16))
    temporary = file.with_name(f".{name}.{os.getpid()}.npz")
    np.savez(
        temporary, phones=np.array(phones), frames=np.concatenate(frames), ends=np.cumsum([*map(len, frames)])
    )
    temporary.replace(file)
    return f"{name}, {len(phones)} utterances"


def _said_by(name: str, dice: random.Random) -> Iterator[tuple[str, NDArray[np.float64]]]:
    for voice in OTHERS:
        if voice.name == name:
            said = drawn_texts(dice, DRAWN_TEXTS)
            yield from zip(said, (clip.astype(np.float64) for clip in speak(voice, said)), strict=True)
    if any(voice.name == name for voice in VOICES):
        for item in load(Half.DEVELOPMENT, conditions=(Condition.CLEAN,), voices=(name,)):
            yield item.phrase, item.speech


def _read(file: Path) -> Iterator[Said]:
    with np.load(file) as kept:
        phones, frames, ends = kept["phones"], kept["frames"], kept["ends"]
    for said, heard in zip(phones, np.split(frames, ends[:-1]), strict=True):
        yield tuple(str(said).split()), heard


def _digest() -> str:
    digest = hashlib.sha256(f"{RECIPE}|{SEED}".encode())
    for name in _ON_THE_WAY:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()[:16]


def by_speaker(voices: Sequence[str]) -> dict[str, list[str]]:
    """Voices of each speaker."""
    found: dict[str, list[str]] = {}
    for voice in voices:
        found.setdefault(speaker_of(voice), []).append(voice)
    return found
