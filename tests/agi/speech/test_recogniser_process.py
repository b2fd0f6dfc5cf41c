"""The recogniser is a process of its own: frozen, killed or behind, it never holds a caller or a prompt."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agi.speech.client import Question, SpeechLost, SpeechUnavailable, pinged
from agi.speech.decode_worker import LONGEST_WAIT_SECONDS, DecodeWorker, RecogniserLost
from agi.speech.question import Ending, Outcome
from agi.speech.recogniser import Utterance
from tests.agi.speech.conftest import Speak, SpeechProcess, running_speech_process
from tests.agi.speech.peer import Caller
from tests.agi.speech.telephone import on_the_line


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpeechProcess]:
    with running_speech_process(tmp_path_factory.mktemp("speech") / "speech.log") as running:
        yield running


@pytest.fixture
def question(spoken_files: dict[str, Path]) -> Question:
    return Question(
        grammar="loan_type", prompts=(spoken_files["yes"],), silence_seconds=2, maximum_seconds=20
    )


async def recogniser_of(process: SpeechProcess) -> int:
    state = await pinged(process.control_port)
    assert state is not None and state["engine"] == "moonshine-tiny-en"
    return int(state["recogniser"])


async def ready_again(process: SpeechProcess) -> None:
    async with asyncio.timeout(30):
        while not (await pinged(process.control_port) or {}).get("ready"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_frozen_recogniser_loses_the_question_and_is_replaced(
    process: SpeechProcess, question: Question, say: Speak
) -> None:
    frozen = await recogniser_of(process)
    client = process.client()
    os.kill(frozen, signal.SIGSTOP)
    async with client.open(question) as asked:
        caller = Caller(asked.audiosocket_arguments)
        call = asyncio.create_task(caller.call(0.6, on_the_line(say("refinance"), lead_seconds=0.1)))
        with pytest.raises(SpeechLost, match="the recogniser hangs"):
            await asked.heard(timeout_seconds=20)
        await call
    # The caller heard frames all the time and was given back to the dialplan.
    assert caller.was_released and caller.frames_heard > 150
    with pytest.raises(SpeechUnavailable, match="the recogniser is being restarted"):
        async with client.open(question):
            pass
    await ready_again(process)
    assert await recogniser_of(process) != frozen


async def test_after_that_callers_are_heard_again(
    process: SpeechProcess, question: Question, say: Speak
) -> None:
    await ready_again(process)
    async with process.client().open(question) as asked:
        caller = Caller(asked.audiosocket_arguments)
        call = asyncio.create_task(caller.call(0.6, on_the_line(say("refinance"), lead_seconds=0.1)))
        heard = await asked.heard(timeout_seconds=20)
        await call
    assert (heard.outcome, heard.value) == (Outcome.ACCEPTED, "refinance")
    # Sure before the caller's pause is over; a busy machine hears it only when it is due.
    assert heard.ended in (Ending.SURE, Ending.END_OF_SPEECH)


async def test_keys_are_taken_while_the_recogniser_is_gone(
    process: SpeechProcess, question: Question
) -> None:
    async with process.client().open(question) as asked:
        os.kill(await recogniser_of(process), signal.SIGKILL)
        call = asyncio.create_task(Caller(asked.audiosocket_arguments).call(0.3, "1"))
        heard = await asked.heard(timeout_seconds=5)
        await call
    assert (heard.digits, heard.ended) == ("1", Ending.KEYS_COMPLETE)


async def test_an_echo_of_the_prompt_lets_it_play_to_its_end(
    process: SpeechProcess, question: Question, spoken_files: dict[str, Path]
) -> None:
    await ready_again(process)
    long = replace(question, prompts=(spoken_files["three hundred thousand dollars"],), silence_seconds=0.5)
    clients = process.client()

    async def listens(loss_db: float | None) -> Caller:
        async with clients.open(long) as asked:
            caller = Caller(asked.audiosocket_arguments, echo_loss_db=loss_db)
            call = asyncio.create_task(caller.call())
            heard = await asked.heard(timeout_seconds=20)
            await call
            assert heard.outcome is Outcome.SILENCE
            return caller

    alone, near, far = await asyncio.gather(listens(None), listens(10.0), listens(25.0))
    assert near.loud_frames_heard == far.loud_frames_heard == alone.loud_frames_heard


async def test_the_urgent_comes_first_and_what_nobody_wants_is_left_out() -> None:
    worker = DecodeWorker("moonshine")
    await worker.start()
    try:
        speech = (np.random.default_rng(1).standard_normal(16_000) * 800).astype(np.int16)
        utterance = Utterance(samples=speech, speech_seconds=1.0)
        order: list[str] = []

        async def decode(name: str, *, final: bool, wanted: bool = True) -> None:
            answer = await worker.recognise(utterance, "yes_no", {}, final=final, wanted=lambda: wanted)
            order.append(name if answer is not None else f"{name} unwanted")

        running = asyncio.create_task(decode("running", final=False))
        await asyncio.sleep(0.01)
        assert worker.waiting_seconds > 0
        await asyncio.gather(
            running,
            decode("trial", final=False),
            decode("gone", final=False, wanted=False),
            decode("due", final=True),
        )
        assert order == ["running", "due", "trial", "gone unwanted"]
        assert not worker.is_behind
    finally:
        await worker.close()
    assert worker.process_id is None


async def test_it_is_behind_when_answers_wait_too_long_for_a_second_on_end_and_no_longer() -> None:
    """Then further callers are asked by keys, before they wait."""
    worker = DecodeWorker("moonshine")
    await worker.start()
    try:
        dice = np.random.default_rng(1)

        async def decode() -> None:
            speech = (dice.standard_normal(24_000) * 800).astype(np.int16)
            await worker.recognise(Utterance(samples=speech, speech_seconds=1.5), "state", {}, final=True)

        crowd = [asyncio.create_task(decode()) for _ in range(60)]
        await asyncio.sleep(0)
        assert worker.waiting_seconds > LONGEST_WAIT_SECONDS and not worker.is_behind
        await asyncio.sleep(1.2)
        assert worker.is_behind
        for one in crowd:
            one.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
        assert not worker.is_behind
    finally:
        await worker.close()


async def test_an_engine_that_cannot_be_loaded_says_why() -> None:
    for engine, reason in (("vosk", "no Vosk model is installed"), ("cloud", "must be one of")):
        with pytest.raises(FileNotFoundError, match=reason):
            await DecodeWorker(engine).start()
    with pytest.raises(RecogniserLost, match="being restarted"):
        await DecodeWorker("moonshine").prepare("yes_no", {})
