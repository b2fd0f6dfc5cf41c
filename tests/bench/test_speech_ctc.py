"""The phone head learns, its slopes are right, and a head is left out of what it is judged by."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from agi.speech.moonshine_model import log_softmax
from agi.speech.phone_head import NUMBER_OF, PHONES, PhoneHead, forward_scores
from tests.bench.speech_ctc import Rows, Spoken, learn, occupancies
from tests.bench.speech_phone_fit import likeliest_phones, phones_wrong, write
from tests.bench.speech_phone_speech import OTHERS, drawn_texts, speaker_of
from tests.bench.speech_set import texts
from tests.bench.speech_voices import VOICES

SAID = [["P", "UH", "R"], ["B", "B"]]
WIDTH = 12


def test_occupancies_are_the_slope_of_the_log_probability() -> None:
    logits = np.random.default_rng(1).standard_normal((2, 7, 1 + len(PHONES)))
    lengths = np.array([7, 5], np.int64)
    numbers = [[NUMBER_OF[phone] for phone in said] for said in SAID]

    def total(at: Rows) -> float:
        heard = log_softmax(at)
        return sum(
            float(forward_scores(heard[row, :length], [SAID[row]])[0]) for row, length in enumerate(lengths)
        )

    heard = log_softmax(logits)
    slopes = occupancies(heard, lengths, numbers) - np.exp(heard)
    for row, frame, phone in ((0, 0, 0), (0, 3, NUMBER_OF["UH"]), (1, 2, NUMBER_OF["B"]), (1, 4, 0)):
        moved = logits.copy()
        moved[row, frame, phone] += 1e-5
        assert abs((total(moved) - total(logits)) / 1e-5 - slopes[row, frame, phone]) < 1e-3


def _spoken(dice: np.random.Generator, codes: Rows) -> Spoken:
    phones = [PHONES[at] for at in dice.integers(0, 5, 4)]
    silence = np.zeros((1, WIDTH))
    frames = [part for phone in phones for part in (codes[[NUMBER_OF[phone]] * 2], silence)]
    heard = np.concatenate(frames) + 0.1 * dice.standard_normal((12, WIDTH))
    return Spoken(frames=heard.astype(np.float32), phones=phones)


def test_a_head_learns_phones_and_reads_alike_from_its_file(tmp_path: Path) -> None:
    dice = np.random.default_rng(2)
    codes = dice.standard_normal((1 + len(PHONES), WIDTH))
    spoken = [_spoken(dice, codes) for _ in range(320)]
    head = learn(spoken[:256], around=1, hidden=0, epochs=60)
    assert phones_wrong(head, spoken[256:]) < 0.25
    write(head, tmp_path / "head.npz")
    heard = PhoneHead(tmp_path / "head.npz").hear(spoken[-1].frames)
    own, other = heard.fits([tuple(likeliest_phones(head, spoken[-1])), ("ZH", "OY")])
    assert own > other + 5


def test_what_is_too_short_for_its_phones_teaches_nothing() -> None:
    frames = np.zeros((3, WIDTH), np.float32)
    assert not Spoken(frames=frames, phones=["B", "B", "B"]).fits
    assert not Spoken(frames=frames, phones=[]).fits
    assert Spoken(frames=frames, phones=["B"]).fits


def test_no_text_of_the_set_is_drawn() -> None:
    tested = {text.lower() for text in texts()}
    drawn = drawn_texts(random.Random(5), 300)
    assert len(drawn) == 300 and not tested & {text.lower() for text in drawn}


def test_a_speaker_is_left_out_with_every_pitch_and_pace_of_theirs() -> None:
    speakers = {voice.name: speaker_of(voice.name) for voice in (*VOICES, *OTHERS)}
    assert set(speakers.values()) == {"joe", "espeak", "kal16", "awb", "rms", "slt"}
    assert speakers["joe-fast"] == speakers["joe"] and speakers["flite-awb-0.9"] == speakers["flite-awb"]
