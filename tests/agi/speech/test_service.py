"""A real speech process: its client, callers who answer or do not, strangers, and its death."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from agi.speech.client import (
    Heard,
    Question,
    SpeechClient,
    SpeechLost,
    SpeechUnavailable,
    is_alive,
)
from agi.speech.question import Outcome
from tests.agi.speech.conftest import LONG_PROMPT, Speak, SpeechProcess, running_speech_process
from tests.agi.speech.korean import COMMANDS, YES, say_korean
from tests.agi.speech.peer import Action, Caller
from tests.agi.speech.telephone import on_the_line


@pytest.fixture
def question(spoken_files: dict[str, Path]) -> Question:
    """A short prompt, so that tests are short: "yes"."""
    return Question(
        grammar="loan_type",
        prompts=(spoken_files["yes"],),
        silence_seconds=1.5,
        keys_maximum=2,
        key_gap_seconds=0.5,
        maximum_seconds=20,
    )


async def ask(client: SpeechClient, question: Question, *actions: Action) -> tuple[Heard, Caller]:
    async with client.open(question) as asked:
        caller = Caller(asked.audiosocket_arguments)
        call = asyncio.create_task(caller.call(*actions))
        heard = await asked.heard(timeout_seconds=25)
        await call
        return heard, caller


async def test_a_spoken_answer_is_heard(
    speech_process: SpeechProcess, question: Question, say: Speak
) -> None:
    heard, caller = await ask(
        speech_process.client(), question, 1.0, on_the_line(say("refinance"), lead_seconds=0.1)
    )
    assert (heard.outcome, heard.value) == (Outcome.ACCEPTED, "refinance")
    assert heard.confidence is not None and heard.confidence > 0.8
    assert heard.engine == "moonshine-tiny-en" and heard.alternatives[0][0] == "refinance"
    assert heard.speech_started_ms is not None and heard.speech_ended_ms is not None
    assert 1000 < heard.speech_started_ms < heard.speech_ended_ms < heard.result_ms
    assert caller.was_released


async def test_vosk_hears_answers_and_commands_in_its_own_language(
    korean_model: Path, question: Question, tmp_path: Path
) -> None:
    yes_no = replace(question, grammar="yes_no")
    by_keys = replace(question, grammar="commands")
    stop = say_korean(COMMANDS["stop_calling"], "ko+f2")
    with running_speech_process(tmp_path / "speech.log", engine="vosk", model=korean_model) as running:
        client = running.client()
        (said_yes, caller), (told_to_stop, _) = await asyncio.gather(
            ask(client, yes_no, 1.0, on_the_line(say_korean(YES), lead_seconds=0.1)),
            ask(client, by_keys, 1.0, on_the_line(stop, lead_seconds=0.1)),
        )
        with pytest.raises(SpeechUnavailable, match="the engine vosk has no grammar 'loan_type'"):
            async with client.open(question):
                pass
    assert (said_yes.outcome, said_yes.value) == (Outcome.ACCEPTED, "yes")
    assert said_yes.text == YES and said_yes.engine == "vosk" and said_yes.alternatives[0][0] == "yes"
    assert said_yes.speech_started_ms is not None and said_yes.speech_ended_ms is not None
    assert 1000 < said_yes.speech_started_ms < said_yes.speech_ended_ms < said_yes.result_ms
    assert caller.was_released
    assert (told_to_stop.outcome, told_to_stop.value) == (Outcome.ACCEPTED, "stop_calling")


async def test_the_prompt_is_played_in_real_time(
    speech_process: SpeechProcess, question: Question, spoken_files: dict[str, Path]
) -> None:
    heard, caller = await ask(
        speech_process.client(), replace(question, prompts=(spoken_files["I want to buy a house"],))
    )
    assert heard.outcome is Outcome.SILENCE
    assert len(caller.arrivals) > 100
    # How punctually is a benchmark's matter: here, that frames come one by one and not all at once.
    spacing = (caller.arrivals[-1] - caller.arrivals[0]) / (len(caller.arrivals) - 1)
    assert spacing == pytest.approx(0.02, abs=0.005)


async def test_a_caller_talks_over_the_prompt(
    speech_process: SpeechProcess, question: Question, say: Speak, spoken_files: dict[str, Path]
) -> None:
    long = replace(question, prompts=(spoken_files[LONG_PROMPT],))
    heard, caller = await ask(speech_process.client(), long, 0.5, on_the_line(say("I want to buy a house")))
    assert (heard.outcome, heard.value) == (Outcome.ACCEPTED, "purchase")
    assert caller.loud_frames_heard < (0.5 + 0.5 + 0.5) * 50


async def test_a_prompt_that_must_be_heard_is_heard_to_its_end(
    speech_process: SpeechProcess, question: Question, say: Speak, spoken_files: dict[str, Path]
) -> None:
    whole = replace(question, prompts=(spoken_files["I want to buy a house"],), interruptible=False)
    client = speech_process.client()
    (_, heard_it), (_, undisturbed) = await asyncio.gather(
        ask(client, whole, "1", on_the_line(say("no"), lead_seconds=0.1)), ask(client, whole)
    )
    assert heard_it.loud_frames_heard == undisturbed.loud_frames_heard


async def test_keys_stop_the_prompt(
    speech_process: SpeechProcess, question: Question, spoken_files: dict[str, Path]
) -> None:
    long = replace(question, prompts=(spoken_files[LONG_PROMPT],))
    heard, caller = await ask(speech_process.client(), long, 0.4, "6", 0.1, "4")
    assert (heard.outcome, heard.digits) == (Outcome.KEYS, "64")
    assert caller.frames_heard < 60 and caller.was_released


async def test_silence_and_nonsense_end_the_question(
    speech_process: SpeechProcess, question: Question, say: Speak
) -> None:
    (silence, _), (nonsense, _) = await asyncio.gather(
        ask(speech_process.client(), question),
        ask(speech_process.client(), question, 1.0, on_the_line(say("my dog is sleeping on the sofa"))),
    )
    assert silence.outcome is Outcome.SILENCE and silence.value is None
    assert nonsense.outcome is Outcome.REJECTED and nonsense.value is None


async def test_a_caller_who_hangs_up_is_told(speech_process: SpeechProcess, question: Question) -> None:
    async with speech_process.client().open(question) as asked:
        await Caller(asked.audiosocket_arguments).hang_up_after(0.2)
        heard = await asked.heard(timeout_seconds=2)
    assert heard.outcome is Outcome.HANGUP and heard.result_ms < 1000


async def test_leaving_the_question_lets_the_caller_go(
    speech_process: SpeechProcess, question: Question
) -> None:
    async with speech_process.client().open(question) as asked:
        call = asyncio.create_task(Caller(asked.audiosocket_arguments).call())
        await asyncio.sleep(0.3)
    async with asyncio.timeout(1):
        await call


async def test_a_question_nobody_can_ask_is_refused(
    speech_process: SpeechProcess, question: Question, tmp_path: Path
) -> None:
    not_a_prompt = tmp_path / "prompt.wav"
    not_a_prompt.write_bytes(b"RIFF")
    for bad, reason in (
        (replace(question, grammar="zodiac"), "no grammar"),
        (replace(question, prompts=(tmp_path / "missing.wav",)), "prompt cannot be read"),
        (replace(question, prompts=(not_a_prompt,)), "no wav file"),
    ):
        with pytest.raises(SpeechUnavailable, match=reason):
            async with speech_process.client().open(bad):
                pass


async def test_a_wrong_token_gets_nothing(speech_process: SpeechProcess, question: Question) -> None:
    thief = SpeechClient([(speech_process.control_port, speech_process.audiosocket_port)], "guess")
    with pytest.raises(SpeechUnavailable):
        async with thief.open(question):
            pass


async def send_garbage(port: int, data: bytes) -> None:
    """One stranger; whatever the service does with it is right, as long as it ends."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        await writer.drain()
        writer.close()
    except OSError:
        pass


async def test_strangers_at_both_ports_disturb_nobody(
    speech_process: SpeechProcess, question: Question, say: Speak
) -> None:
    """Garbage, half messages, unknown callers and a thousand silent connections, during a call."""
    dice = random.Random(4)
    garbage = [
        b"", b"\n", b"{", b"[]\n", b'"x"\n', b'{"token": 5, "ask": {}}\n', b"GET / HTTP/1.1\r\n\r\n", b"[" * 60_000,
        b"x" * 200_000, json.dumps({"token": "é" * 100}).encode() + b"\n", b"\x01\x00\x10" + uuid4().bytes,
        b"\x10\xff\xff", *(dice.randbytes(300) for _ in range(40)),
    ]  # fmt: skip
    ports = (speech_process.control_port, speech_process.audiosocket_port)
    call = asyncio.create_task(
        ask(speech_process.client(), question, 1.4, on_the_line(say("refinance"), lead_seconds=0.1))
    )
    for data in garbage:
        await asyncio.gather(*(send_garbage(port, data) for port in ports))
    silent = [await asyncio.open_connection("127.0.0.1", port) for port in ports for _ in range(500)]
    heard, _ = await call
    assert (heard.outcome, heard.value) == (Outcome.ACCEPTED, "refinance")
    again, _ = await ask(speech_process.client(), question, 0.2, "1#")
    assert again.digits == "1"
    assert await is_alive(speech_process.control_port)
    for _, writer in silent:
        writer.close()


async def test_a_uuid_serves_one_caller_only(speech_process: SpeechProcess, question: Question) -> None:
    async with speech_process.client().open(question) as asked:
        first = asyncio.create_task(Caller(asked.audiosocket_arguments).call(0.6, "1", "2"))
        await asyncio.sleep(0.2)
        second = Caller(asked.audiosocket_arguments)
        async with asyncio.timeout(1):
            await second.call("9")
        heard = await asked.heard(timeout_seconds=3)
        await first
    assert heard.digits == "12" and second.frames_heard == 0


async def test_a_frozen_process_is_given_up_within_300_ms_and_mid_question_as_well(
    speech_process: SpeechProcess, question: Question
) -> None:
    pid = speech_process.process.pid
    async with speech_process.client().open(question) as asked:
        os.kill(pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            with pytest.raises(SpeechUnavailable, match="does not answer"):
                async with speech_process.client().open(question):
                    pass
            assert time.monotonic() - started < 0.3
            assert not await is_alive(speech_process.control_port, timeout_seconds=0.2)
            with pytest.raises(SpeechLost, match="does not answer"):
                await asked.heard(timeout_seconds=20)
            assert time.monotonic() - started < 4
        finally:
            os.kill(pid, signal.SIGCONT)
    heard, _ = await ask(speech_process.client(), question, 0.2, "1#")
    assert heard.digits == "1"


async def test_a_killed_process_loses_its_question_at_once(question: Question, tmp_path: Path) -> None:
    with running_speech_process(tmp_path / "speech.log") as doomed:
        async with doomed.client().open(question) as asked:
            caller = Caller(asked.audiosocket_arguments)
            call = asyncio.create_task(caller.call())
            await asyncio.sleep(0.3)
            doomed.process.kill()
            started = time.monotonic()
            with pytest.raises(SpeechLost):
                await asked.heard(timeout_seconds=10)
            assert time.monotonic() - started < 0.5
            async with asyncio.timeout(1):
                await call
            assert not caller.was_released
        started = time.monotonic()
        with pytest.raises(SpeechUnavailable, match="cannot be reached"):
            async with doomed.client().open(question):
                pass
        assert time.monotonic() - started < 0.3


async def test_another_process_takes_the_question_when_one_is_down(
    speech_process: SpeechProcess, question: Question
) -> None:
    client = SpeechClient(
        [(9, 9), (speech_process.control_port, speech_process.audiosocket_port)],
        "speech-test-token",
    )
    heard, _ = await ask(client, question, 0.2, "1#")
    assert heard.digits == "1"


async def test_a_full_process_refuses_and_takes_again(question: Question, tmp_path: Path) -> None:
    with running_speech_process(tmp_path / "speech.log", maximum_asks=2) as small:
        client = small.client()
        async with client.open(question), client.open(question):
            with pytest.raises(SpeechUnavailable, match="overloaded"):
                async with client.open(question):
                    pass
        await asyncio.sleep(0.1)
        async with client.open(question) as asked:
            assert asked.audiosocket_arguments
