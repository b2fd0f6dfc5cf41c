"""The verbs of a channel, against an Asterisk that answers by script."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any, cast

import pytest

from agi.channel import GRACE_SECONDS, Channel
from agi.fastagi import Connection, HungUp, Reply, Request, parse_reply
from agi.speech.client import Question


class Script:
    """Answers commands by their beginning; everything else is done at once."""

    def __init__(self, **answers: str) -> None:
        self.request = Request(script="inbound-call", query={}, headers={})
        self.sent: list[str] = []
        self._answers = {begin.replace("_", " "): answer.split("|") for begin, answer in answers.items()}

    async def command(self, line: str, *, timeout_seconds: float) -> Reply:
        self.sent.append(line)
        for begin, answers in self._answers.items():
            if line.startswith(begin):
                return parse_reply(answers.pop(0) if len(answers) > 1 else answers[0])
        return parse_reply("200 result=0")


def channel_of(script: Script) -> Channel:
    return Channel(cast(Connection, script))


@pytest.fixture
def second(tmp_path: Path) -> Path:
    path = tmp_path / "second.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16_000))
    return path


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        ("200 result=0 endpos=8000", True),
        ("200 result=0 endpos=4000", False),
        ("200 result=0", False),
        ("200 result=-1 endpos=0", False),
    ],
)
async def test_a_notice_counts_when_it_was_heard_to_its_end(second: Path, answer: str, whole: bool) -> None:
    script = Script(STREAM=answer, CHANNEL="200 result=6")
    assert await channel_of(script).play((second,)) is whole
    # No key ends it.
    assert f'STREAM FILE "{second.with_suffix("")}" ""' in script.sent


async def test_a_missing_sound_was_not_heard(second: Path) -> None:
    script = Script(STREAM="200 result=0 endpos=8000|200 result=0 endpos=0")
    assert not await channel_of(script).play((second, second.with_name("missing.wav")))


async def test_a_caller_who_hangs_up_in_a_notice_has_not_heard_it(second: Path) -> None:
    with pytest.raises(HungUp):
        await channel_of(Script(STREAM="200 result=-1 endpos=4000", CHANNEL="200 result=-1")).play((second,))


@pytest.mark.parametrize(
    ("keys", "changes", "digits"),
    [
        ("49|50|35", {}, "12"),
        ("49|0", {}, "1"),
        ("48", {"instant_keys": "0"}, "0"),
        ("49|50|51|52", {"keys_maximum": 3}, "123"),
        ("35", {}, "#"),
        ("49|35|50", {"keys_end": "", "keys_maximum": 3}, "1#2"),
        ("0", {}, ""),
    ],
)
async def test_keys(second: Path, keys: str, changes: dict[str, Any], digits: str) -> None:
    question = Question(**{"grammar": "", "prompts": (second,), "keys_maximum": 5, **changes})
    replies = "|".join(f"200 result={code}" for code in keys.split("|"))
    script = Script(WAIT=replies)
    assert await channel_of(script).ask_keys(question) == digits
    # The watchdog is armed before each command that takes its time.
    slow = [place for place, line in enumerate(script.sent) if line.startswith(("WAIT", "STREAM"))]
    assert all(script.sent[place - 1].startswith("SET VARIABLE TIMEOUT(absolute)") for place in slow)


async def test_holding_ends_by_its_key_or_its_time() -> None:
    script = Script(WAIT="200 result=53|200 result=57")
    assert await channel_of(script).hold(20, "9") == "9"
    assert [line for line in script.sent if "MusicOnHold" in line] == [
        "EXEC StartMusicOnHold default",
        "EXEC StopMusicOnHold",
    ]
    assert await channel_of(Script(WAIT="200 result=0")).hold(20, "9") == ""


async def test_a_transfer_may_take_hours_and_is_not_watched() -> None:
    script = Script(GET="200 result=1 (BUSY)")
    assert await channel_of(script).transfer("+16145550123", 20, 7200) == "BUSY"
    assert script.sent == [
        f"SET VARIABLE TIMEOUT(absolute) {GRACE_SECONDS:.1f}",
        "GOSUB transfer s 1 +16145550123,20,7200",
        "GET VARIABLE DIALSTATUS",
    ]


@pytest.mark.parametrize("number", ["1)&PJSIP/target-1", "${SHELL(x)}", "1 2", "+1614;"])
async def test_nothing_else_gets_into_a_sub_routine(number: str) -> None:
    script = Script()
    with pytest.raises(ValueError, match="unsafe"):
        await channel_of(script).transfer(number, 20, 7200)
    assert not any("GOSUB" in line for line in script.sent)
