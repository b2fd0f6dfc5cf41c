"""Sounds somebody recorded: checked, levelled and kept beside the rendered prompts.

Read by miniaudio (MIT): WAV, MP3, FLAC and Ogg Vorbis.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import miniaudio
import numpy as np

from agi.speech.prompts import (
    Floats,
    PromptError,
    prompt_digest,
    put_sound,
)
from rules.prompt_names import UPLOAD_BYTES_MAXIMUM, UPLOADS_FOLDER, is_upload_name

MAXIMUM_SECONDS = 300.0
"""A caller hangs up long before; the speech service takes no more either."""
MINIMUM_SECONDS = 0.2
_QUIETEST = 10 ** (-55 / 20)
"""Loudest moment (of full scale) below which a file is silence: levelling would only make its noise loud."""


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A sound that flows may play as `upload:NAME`."""

    name: str
    seconds: float
    digest: str
    """SHA-256 of the 8 kHz file."""


def add_upload(prompts_dir: Path, file: Path, name: str) -> Upload:
    """Take a sound in under `name`, in place of one that had it. Raises PromptError with a sentence for the admin."""
    if not is_upload_name(name):
        raise PromptError(
            f"{name!r} is no name: use small letters, digits, hyphens; begin with a letter or digit."
        )
    samples, rate = _checked(file)
    folder = prompts_dir / UPLOADS_FOLDER
    path = folder / f"{name}.wav"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".upload-", dir=folder) as unfinished:
            put_sound(path, samples, rate, folder=Path(unfinished))
    except PromptError as error:
        raise PromptError(f"{file.name} is silent: {error}") from error
    except OSError as error:
        reason = error.strerror or error
        raise PromptError(f"The sound cannot be written to {folder} ({reason}): free some space.") from error
    return Upload(name=name, seconds=len(samples) / rate, digest=prompt_digest(path))


def try_upload(asked: Mapping[str, str]) -> dict[str, str | float]:
    """The same for a process that reads strangers' files and speaks JSON: what Upload holds, or `refused` and why."""
    try:
        added = add_upload(Path(asked["prompts_dir"]), Path(asked["file"]), asked["name"])
    except PromptError as error:
        return {"refused": str(error)}
    return asdict(added)


def uploads(prompts_dir: Path) -> tuple[Upload, ...]:
    """Every uploaded sound, by name."""
    files = sorted((prompts_dir / UPLOADS_FOLDER).glob("*.wav"))
    return tuple(
        Upload(name=file.stem, seconds=(file.stat().st_size - 44) / 16_000, digest=prompt_digest(file))
        for file in files
        if is_upload_name(file.stem)
    )


def _checked(file: Path) -> tuple[Floats, int]:
    """The sound of a file, one channel, -1 to 1, and its rate. Raises PromptError."""
    try:
        size = file.stat().st_size
        if size > UPLOAD_BYTES_MAXIMUM:
            raise PromptError(
                f"{file.name} has {size >> 20} MB: a prompt may have {UPLOAD_BYTES_MAXIMUM >> 20} MB, save it as MP3."
            )
        rate = _checked_rate(file)
        decoded = _decoded(file, rate)
    except OSError as error:
        raise PromptError(f"{file.name} cannot be read: {error.strerror or error}.") from error
    samples = np.frombuffer(decoded.samples, np.int16).astype(np.float32) / np.float32(32768)
    if len(samples) < MINIMUM_SECONDS * decoded.sample_rate:
        raise PromptError(
            f"{file.name} is shorter than {MINIMUM_SECONDS:g} s: there is nothing to hear in it."
        )
    if float(np.abs(samples).max()) < _QUIETEST:
        raise PromptError(f"{file.name} is silent: nothing in it is louder than -55 dB. Record it again.")
    return samples, decoded.sample_rate


def _checked_rate(file: Path) -> int:
    """The sound's rate (Hz), once it is known to be short enough to be decoded: an hour of MP3 is not."""
    try:
        sound = _told_of(file)
    except miniaudio.MiniaudioError as error:
        raise PromptError(_not_audio(file)) from error
    if sound.duration > MAXIMUM_SECONDS:
        minutes, most = sound.duration / 60, MAXIMUM_SECONDS / 60
        raise PromptError(f"{file.name} is {minutes:.0f} minutes long: a prompt may take {most:.0f}, cut it.")
    return int(sound.sample_rate)


def _told_of(file: Path) -> miniaudio.SoundFileInfo:
    """What a file says of itself. Its first bytes tell what it is: endings are missing or wrong often enough."""
    with file.open("rb") as opened:
        begins = opened.read(4)
    readers = {
        b"RIFF": miniaudio.wav_get_file_info,
        b"fLaC": miniaudio.flac_get_file_info,
        b"OggS": miniaudio.vorbis_get_file_info,
    }
    return readers.get(begins, miniaudio.mp3_get_file_info)(str(file))


def _decoded(file: Path, rate: int) -> miniaudio.DecodedSoundFile:
    try:
        return miniaudio.decode_file(
            str(file), output_format=miniaudio.SampleFormat.SIGNED16, nchannels=1, sample_rate=rate
        )
    except miniaudio.MiniaudioError as error:
        raise PromptError(_not_audio(file)) from error


def _not_audio(file: Path) -> str:
    return f"{file.name} is no sound we can read: save it as WAV, MP3, FLAC or Ogg Vorbis."
