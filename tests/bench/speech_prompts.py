"""What callers hear in the speech benchmark."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from agi.speech.prompt_audio import read_prompt
from agi.speech.prompts import render_prompts

LONG_PROMPT = (
    "Thank you for calling about your home loan today and please listen to all of the choices before you answer "
    "because we want to find the right loan officer for you in the state where your home is"
)
CROWD_QUESTIONS = {
    "yes_no": "Is that right? Say yes or press 1. Say no or press 2.",
    "loan_type": "What kind of loan are you looking for? Say refinance or press 1. Say purchase or press 2. "
    "Say home equity or press 3. Say reverse mortgage or press 4.",
    "state": "Which state is the home in? Say the state, or press the two letters of its abbreviation on your keypad.",
    "zip": "What is the ZIP code of the home? Say the five digits, or press them on your keypad.",
}
"""What the crowd is asked, as the flows we ship ask it."""
_QUIET_DB = 45.0


def bench_prompts(store: Path, folder: Path) -> dict[str, Path]:
    """A prompt too short to matter, one without a pause, and the crowd's questions."""
    store.mkdir(parents=True, exist_ok=True)
    rendered = render_prompts(store, [LONG_PROMPT, *CROWD_QUESTIONS.values()])
    spoken = read_prompt(rendered[LONG_PROMPT])
    loud = [spoken.frame(int(number)) for number in np.flatnonzero(spoken.levels_db > _QUIET_DB)]
    return {
        "short": _write(folder / "short.wav", bytes(3200)),
        "long": _write(folder / "long.wav", b"".join(loud)),
        **{name: rendered[text] for name, text in CROWD_QUESTIONS.items()},
    }


def _write(path: Path, audio: bytes) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(audio)
    return path
