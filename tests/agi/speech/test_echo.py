"""Our own prompt, coming back, is not a caller; a caller is one whatever comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agi.speech.echo import ALL_ECHO_DB, EchoGate
from agi.speech.prompt_audio import PromptAudio, read_prompt
from agi.speech.question import Question
from agi.speech.recogniser import FRAME_SAMPLES
from agi.speech.turn import Turn
from tests.agi.speech.conftest import LONG_PROMPT, Speak
from tests.agi.speech.telephone import mu_law

QUESTION = Question(grammar="loan_type", prompts=(Path("prompt.wav"),))


@pytest.fixture(scope="session")
def prompt(spoken_files: dict[str, Path]) -> PromptAudio:
    return read_prompt(spoken_files[LONG_PROMPT])


def frames_until_stopped(
    prompt: PromptAudio,
    *,
    loss_db: float,
    delay_seconds: float,
    speech: NDArray[Any] | None = None,
    from_frame: int = 0,
    blur: int = 1,
    lost: frozenset[int] = frozenset(),
    stalls: frozenset[int] = frozenset(),
) -> tuple[int, int]:
    """Play the prompt to a line that sends it back; return how many frames were played and how many held back.

    `lost`: frames that never come back; `stalls`: frames before which we are held up for ten, which then leave and come
    all at once.
    """
    turn, gate = Turn(QUESTION, "test"), EchoGate()
    dice = np.random.default_rng(5)
    sent = np.zeros((2 * len(prompt) + 60) * FRAME_SAMPLES)
    line = dice.standard_normal(len(sent)) * 12
    if speech is not None:
        line[from_frame * FRAME_SAMPLES :][: len(speech)] += speech
    delay, played, held = int(delay_seconds * 8000), 0, 0
    arrived: list[tuple[int, NDArray[np.int16]]] = []
    held_up_until = 0
    for number in range(2 * len(prompt)):
        here = slice(number * FRAME_SAMPLES, (number + 1) * FRAME_SAMPLES)
        if played == len(prompt) or not turn.prompt_playing:
            break
        if turn.prompt_held:
            gate.sent(None)
            held += 1
        else:
            frame = np.frombuffer(prompt.frame(played), "<i2")
            gate.sent(frame, float(prompt.levels_db[played]))
            sent[here] = frame
            played += 1
        back = sent[max(0, here.start - delay - blur) : max(0, here.stop - delay)]
        back = np.convolve(np.pad(back, (FRAME_SAMPLES + blur, 0)), np.ones(blur) / blur)[
            -FRAME_SAMPLES - blur + 1 :
        ]
        heard = mu_law(line[here] + back[:FRAME_SAMPLES] * 10 ** (-loss_db / 20))
        if number not in lost:
            arrived.append((number, heard))
        if number in stalls and number >= held_up_until:
            held_up_until = number + 10
        while number >= held_up_until and arrived:
            at, heard = arrived.pop(0)
            turn.on_audio(heard, at * 20, gate.heard(heard))
        turn.on_tick(number * 20)
    return played, held


@pytest.mark.parametrize(
    ("loss_db", "delay_seconds", "blur"),
    [(10.0, 0.02, 1), (10.0, 0.4, 3), (14.0, 0.13, 2), (20.0, 0.02, 1), (20.0, 0.4, 3), (30.0, 0.4, 3)],
)
def test_an_echo_of_the_prompt_never_stops_or_holds_it(
    prompt: PromptAudio, loss_db: float, delay_seconds: float, blur: int
) -> None:
    played, held = frames_until_stopped(prompt, loss_db=loss_db, delay_seconds=delay_seconds, blur=blur)
    assert played == len(prompt) and held == 0


def now_and_then(prompt: PromptAudio, seed: int, share: float) -> frozenset[int]:
    """Frames picked by the dice, as many as `share` of them."""
    dice = np.random.default_rng(seed)
    return frozenset(int(at) for at in np.flatnonzero(dice.random(2 * len(prompt)) < share))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("trouble", "share"), [("lost", 0.03), ("stalls", 0.05)])
def test_nor_does_an_echo_with_lost_frames_or_while_we_are_held_up(
    prompt: PromptAudio, seed: int, trouble: str, share: float
) -> None:
    frames = {trouble: now_and_then(prompt, seed, share)}
    played, held = frames_until_stopped(prompt, loss_db=10.0, delay_seconds=0.13, blur=2, **frames)
    assert played == len(prompt) and held == 0


@pytest.mark.parametrize("loss_db", [10.0, 20.0, 60.0])
def test_a_caller_stops_the_prompt_through_its_echo(prompt: PromptAudio, say: Speak, loss_db: float) -> None:
    speech = say("california").astype(np.float64)
    played, _ = frames_until_stopped(
        prompt, loss_db=loss_db, delay_seconds=0.12, speech=speech, from_frame=60
    )
    assert 60 <= played <= 60 + 15


def test_a_soft_caller_is_heard_on_a_line_that_shows_no_echo(prompt: PromptAudio, say: Speak) -> None:
    soft = say("california") * 10 ** (-14 / 20)
    played, _ = frames_until_stopped(prompt, loss_db=60, delay_seconds=0.12, speech=soft, from_frame=60)
    assert 60 <= played <= 60 + 20


def test_nothing_is_echo_while_nothing_was_played() -> None:
    gate = EchoGate()
    loud = (np.random.default_rng(1).standard_normal(FRAME_SAMPLES) * 5000).astype(np.int16)
    for _ in range(10):
        gate.sent(None)
        assert gate.heard(loud) == 0.0


def test_a_copy_is_echo_however_loud(prompt: PromptAudio) -> None:
    gate = EchoGate()
    verdicts = []
    for number in range(20, 60):
        frame = np.frombuffer(prompt.frame(number), "<i2")
        gate.sent(frame, float(prompt.levels_db[number]))
        verdicts.append(gate.heard(frame))
    assert verdicts.count(ALL_ECHO_DB) > 25
