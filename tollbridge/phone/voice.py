"""What the telephone says: words in the prompts' voice, and tones, as 8 kHz mu-law."""

from __future__ import annotations

import array
import asyncio
import math
import sys
import wave
from collections.abc import Sequence
from pathlib import Path

from agi.speech.prompts import PromptError, render_prompts
from tollbridge.phone import mulaw

_EDGE = bytes([mulaw.SILENCE]) * (mulaw.SAMPLES_PER_SECOND // 10)
STEADY_FOLDER = "steady"


class VoiceUnavailable(Exception):
    """Words cannot be rendered; the text says what to do."""


async def clips(texts: Sequence[str], cache_dir: Path) -> tuple[bytes, ...]:
    """Return mu-law for each text, rendering what is not in `cache_dir` yet, the same way on every machine.

    Raises VoiceUnavailable, OSError, ValueError for a text without words.
    """
    if not texts:
        return ()
    if not all(text.strip() for text in texts):
        raise ValueError("there are no words to say")
    try:
        paths = await asyncio.to_thread(render_prompts, cache_dir / STEADY_FOLDER, texts, steady=True)
    except PromptError as error:
        raise VoiceUnavailable(str(error)) from error
    return tuple(_EDGE + read_clip(paths[text]) + _EDGE for text in texts)


def read_clip(path: Path) -> bytes:
    """Return an 8 kHz mono 16-bit wav file as mu-law. Raises OSError, wave.Error."""
    with wave.open(str(path)) as sound:
        return mulaw.encode(sound.readframes(sound.getnframes()))


def tone(hertz: float, seconds: float, *, peak: int = 8000) -> bytes:
    """Return a steady tone as mu-law."""
    step = 2 * math.pi * hertz / mulaw.SAMPLES_PER_SECOND
    count = int(seconds * mulaw.SAMPLES_PER_SECOND)
    linear = array.array("h", (int(peak * math.sin(step * index)) for index in range(count)))
    if sys.byteorder == "big":
        linear.byteswap()
    return mulaw.encode(linear.tobytes())
