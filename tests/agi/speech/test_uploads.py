"""Sounds an admin brings: real files, good and bad."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from agi.speech.prompt_audio import read_prompt
from agi.speech.prompts import PromptError, prompt_digest, prompt_path, render_prompts, wideband_path
from agi.speech.uploads import add_upload, uploads
from tests.agi.speech.telephone import Samples, write_wav


@pytest.fixture
def speech(spoken_files: dict[str, Path]) -> Path:
    return spoken_files["I want to buy a house"]


def test_a_recording_becomes_a_prompt_at_the_usual_level(tmp_path: Path, speech: Path) -> None:
    quiet = tmp_path / "Studio take.wav"
    _write_stereo(quiet, _samples(speech) // 8)
    added = add_upload(tmp_path / "prompts", quiet, "welcome")
    path = prompt_path(tmp_path / "prompts", "upload:welcome")
    assert added.digest == prompt_digest(path) and len(added.digest) == 64
    assert abs(read_prompt(path).levels_db.max() - read_prompt(speech).levels_db.max()) < 2
    with wave.open(str(wideband_path(path))) as wide:
        assert (wide.getframerate(), wide.getnchannels()) == (16_000, 1)
    assert [one.name for one in uploads(tmp_path / "prompts")] == ["welcome"]


@pytest.mark.parametrize("called", ["house", "house.wav", "house.MP3.part"])
def test_a_sound_is_known_by_its_content(tmp_path: Path, called: str) -> None:
    file = tmp_path / called
    file.write_bytes((Path(__file__).parent / "recorded" / "house.mp3").read_bytes())
    assert add_upload(tmp_path, file, "house").seconds > 1


def test_an_mp3_becomes_the_same_prompt_as_the_recording_it_was_made_of(tmp_path: Path, speech: Path) -> None:
    added = add_upload(tmp_path, Path(__file__).parent / "recorded" / "house.mp3", "house")
    played, spoken = read_prompt(prompt_path(tmp_path, "upload:house")), read_prompt(speech)
    with wave.open(str(wideband_path(speech))) as wide:
        assert added.seconds == pytest.approx(wide.getnframes() / wide.getframerate(), abs=0.2)
    # An MP3 starts with some silence; loud and soft follow one another as in the original.
    envelopes = [played.levels_db[delay:][: len(spoken) - 8] for delay in range(8)]
    assert max(np.corrcoef(each, spoken.levels_db[: len(each)])[0, 1] for each in envelopes) > 0.95
    assert abs(played.levels_db.max() - spoken.levels_db.max()) < 2


def test_a_new_sound_takes_the_place_of_the_old_under_another_digest(
    tmp_path: Path, speech: Path, spoken_files: dict[str, Path]
) -> None:
    first = add_upload(tmp_path, speech, "hello")
    second = add_upload(tmp_path, spoken_files["california"], "hello")
    assert first.digest != second.digest
    assert [one.digest for one in uploads(tmp_path)] == [second.digest]
    assert sorted(path.name for path in (tmp_path / "uploads").iterdir()) == ["hello.wav", "hello.wav16"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"%PDF-1.7 this is a brochure", "is no sound we can read: save it as WAV, MP3"),
        (b"", "is no sound we can read"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "is no sound we can read"),
        (b"\xff\xfb\x90\x64" + bytes(300), "brochure.mp3 is"),
    ],
)
def test_what_is_no_sound_is_refused_in_a_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    file = tmp_path / "brochure.mp3"
    file.write_bytes(content)
    with pytest.raises(PromptError, match=sentence):
        add_upload(tmp_path, file, "brochure")
    assert uploads(tmp_path) == ()


def test_silence_is_refused(tmp_path: Path) -> None:
    hiss = (np.random.default_rng(2).standard_normal(16_000) * 3).astype(np.int16)
    for samples in (np.zeros(16_000, np.int16), hiss):
        with pytest.raises(PromptError, match="is silent"):
            add_upload(tmp_path, write_wav(tmp_path / "take.wav", samples), "take")


def test_an_hour_is_refused_before_it_is_read(tmp_path: Path) -> None:
    hour = tmp_path / "hour.wav"
    with wave.open(str(hour), "wb") as file:
        file.setparams((1, 1, 8000, 0, "NONE", ""))
        file.writeframes(bytes(8000 * 3600))
    with pytest.raises(PromptError, match="is 60 minutes long: a prompt may take 5, cut it"):
        add_upload(tmp_path, hour, "hour")


def test_a_huge_file_and_a_snippet_are_refused(tmp_path: Path, speech: Path) -> None:
    huge = tmp_path / "huge.wav"
    with huge.open("wb") as file:
        file.truncate(61 * 1024 * 1024)
    with pytest.raises(PromptError, match="has 61 MB: a prompt may have 60 MB"):
        add_upload(tmp_path, huge, "huge")
    with pytest.raises(PromptError, match=r"is shorter than 0\.2 s"):
        add_upload(tmp_path, write_wav(tmp_path / "snip.wav", _samples(speech)[:800]), "snip")


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "Two Words", "-x", "a" * 65])
def test_a_name_that_is_no_name_is_refused(tmp_path: Path, speech: Path, name: str) -> None:
    with pytest.raises(PromptError, match="is no name"):
        add_upload(tmp_path, speech, name)
    inside = prompt_path(tmp_path, f"upload:{name}").resolve()
    assert inside.is_relative_to(tmp_path.resolve()) and not inside.exists()


def test_uploads_are_never_given_to_piper(tmp_path: Path) -> None:
    assert render_prompts(tmp_path, ["upload:welcome"], piper=Path("/nonexistent/piper")) == {}


def _samples(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)


def _write_stereo(path: Path, samples: Samples) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(np.repeat(samples, 2).astype("<i2").tobytes())
