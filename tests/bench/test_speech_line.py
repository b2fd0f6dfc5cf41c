"""The bench's telephone line: the same every time, and no kinder than it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.bench import speech_set
from tests.bench.speech_line import NOISES, Condition, Floats, noise_alone, on_the_line, spoken_rms
from tests.bench.speech_phrases import ANSWERS, NO_ANSWERS
from tests.bench.speech_set import Half, half_of, load, texts
from tests.bench.speech_voices import VOICES, Voice


def tone(seconds: float, hertz: float) -> Floats:
    return np.sin(np.arange(int(seconds * 8000)) * 2 * np.pi * hertz / 8000) * 0.3


SPEECH, BABBLE = tone(1.0, 700), (tone(2.0, 500), tone(2.0, 900))


@pytest.mark.parametrize("condition", Condition)
def test_the_same_seed_gives_the_same_packets(condition: Condition) -> None:
    line = on_the_line(SPEECH, condition, "joe|yes", BABBLE)
    assert line == on_the_line(SPEECH, condition, "joe|yes", BABBLE)
    assert line.frames != on_the_line(SPEECH, condition, "joe|no", BABBLE).frames
    assert all(frame is None or len(frame) == 160 for frame in line.frames)


def test_noise_is_as_strong_as_it_says() -> None:
    for condition, snr_db in ((Condition.NOISE_20_DB, 20), (Condition.NOISE_5_DB, 5)):
        heard = on_the_line(SPEECH, condition, "joe|yes", BABBLE).heard().astype(np.float64)
        before, speech = heard[800:3200], heard[4800:11200]
        power = np.mean(before**2)
        found = 10 * np.log10((np.mean(speech**2) - power) / power)
        assert found == pytest.approx(snr_db, abs=3.5)


def test_lost_packets_never_arrive() -> None:
    lost = [
        frame is None
        for seed in range(40)
        for frame in on_the_line(SPEECH, Condition.LOSS_3, str(seed), BABBLE).frames
    ]
    assert 0.015 < np.mean(lost) < 0.045
    line = on_the_line(SPEECH, Condition.LOSS_3, "7", BABBLE)
    assert len(line.heard()) == 160 * sum(frame is not None for frame in line.frames)
    assert len(line.clip) == 160 * len(line.frames)


def test_silence_is_quiet_and_the_other_noises_are_not() -> None:
    levels = {kind: spoken_rms(noise_alone(kind, 2.0, kind, BABBLE).heard().astype(float)) for kind in NOISES}
    assert levels.pop("silence") < 20 and min(levels.values()) > 400


def test_both_halves_have_every_grammar() -> None:
    for said in ANSWERS.values():
        halves = [half_of("joe", phrase) for phrase, _ in said]
        assert set(halves) == set(Half)
        assert halves == [half_of("joe", phrase) for phrase, _ in said]
    assert len(set(NO_ANSWERS)) == len(NO_ANSWERS)


def test_the_halves_share_no_utterance_and_no_babble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_set, "spoken_by", numbered)
    said, behind = dict[Half, set[tuple[str, str]]](), dict[Half, set[float]]()
    for half in Half:
        items = list(load(half, folder=tmp_path))
        said[half] = {(item.voice, item.phrase) for item in items}
        behind[half] = {float(clip[0]) for item in items for clip in item.babble}
        assert {item.condition for item in items} == set(Condition)
    assert said[Half.DEVELOPMENT].isdisjoint(said[Half.UNTOUCHED])
    assert len(said[Half.DEVELOPMENT] | said[Half.UNTOUCHED]) > len(VOICES) * len(texts())
    assert behind[Half.DEVELOPMENT].isdisjoint(behind[Half.UNTOUCHED])
    assert all(behind.values())


def numbered(voice: Voice, folder: Path) -> dict[str, Floats]:
    """In place of every utterance a number of its own."""
    first = VOICES.index(voice) * len(texts())
    return {text: np.array([float(first + number)]) for number, text in enumerate(texts())}
