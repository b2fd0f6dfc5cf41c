"""Prompts by the real piper."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from agi.speech.prompts import PromptError, prompt_path, render_prompts, wideband_path
from tests.agi.speech.telephone import read_wav

TEXTS = ("Yes.", "I want to buy a house.")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return render_prompts(tmp_path_factory.mktemp("rendered"), TEXTS)


def test_prompts_are_telephone_audio_at_one_level(rendered: dict[str, Path]) -> None:
    for text, path in rendered.items():
        samples = read_wav(path).astype(np.float64) / 32768
        windows = samples[: len(samples) // 80 * 80].reshape(-1, 80)
        levels = np.sqrt((windows**2).mean(1))
        spoken = 20 * np.log10(np.sqrt((levels[levels > levels.max() * 0.06] ** 2).mean()))
        assert -23.5 < spoken < -19, text
        assert np.abs(samples).max() < 0.72


def test_texts_are_rendered_in_their_order(rendered: dict[str, Path]) -> None:
    short, long = (read_wav(rendered[text]) for text in TEXTS)
    assert len(short) < len(long)


def test_a_text_is_rendered_once(rendered: dict[str, Path]) -> None:
    folder = rendered[TEXTS[0]].parent
    stamps = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert render_prompts(folder, TEXTS, piper=Path("/nonexistent/piper")) == rendered
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == stamps
    assert set(stamps) == {*rendered.values(), *map(wideband_path, rendered.values())}


def test_who_plays_the_caller_says_the_same_each_time(tmp_path: Path) -> None:
    one, other = (render_prompts(tmp_path / name, TEXTS[:1], steady=True)[TEXTS[0]] for name in "ab")
    assert one.read_bytes() == other.read_bytes()


def test_the_name_depends_on_text_and_voice_only() -> None:
    folder = Path("prompts")
    assert prompt_path(folder, "Hello\n there") == prompt_path(folder, " Hello there ")
    assert prompt_path(folder, "Hello") != prompt_path(folder, "Hello.")
    assert prompt_path(folder, "Hello") != prompt_path(folder, "Hello", voice="amy")
    assert prompt_path(folder, "Hello").name.startswith("joe-")


def test_what_is_missing_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="install the package piper-tts"):
        render_prompts(tmp_path, ["Hello."], piper=Path("/nonexistent/piper"))
    with pytest.raises(PromptError, match="install the package amy-us-piper-voice"):
        render_prompts(tmp_path, ["Hello."], voice="amy")
    with pytest.raises(PromptError, match="voice"):
        render_prompts(tmp_path, ["Hello."], voice="../../etc")


def test_a_piper_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    broken = tmp_path / "piper"
    broken.write_text("#!/bin/sh\necho 'out of memory' >&2\nexit 3\n")
    os.chmod(broken, 0o755)
    prompts = tmp_path / "prompts"
    with pytest.raises(PromptError, match="out of memory"):
        render_prompts(prompts, ["Hello."], piper=broken)
    assert list(prompts.iterdir()) == []
