"""Places a real SIP call into a running switch, speaks or presses when it is the caller's turn, and tells the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from tollbridge.call_story.story import CallStory, tell
from tollbridge.call_story.wait import wait_for_call
from tollbridge.phone.caller import Caller, CallState, CallTimes
from tollbridge.phone.clock import now_ms
from tollbridge.phone.dialogue import Invite
from tollbridge.phone.voice import clips

ANSWER_SECONDS = 15.0
TURN_SECONDS = 40.0
SETTLE_SECONDS = 15.0
DEFAULT_CALLER = "+16145550123"
Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class TestCallPlan:
    """What the caller does. `say` are words, `keys` groups of keys: each waits for the caller's turn, words first.

    Afterwards the caller listens for `seconds` since the answer, or until the other side hangs up, and hangs up.
    """

    __test__ = False

    switch: tuple[str, int]
    to: str
    caller: str = DEFAULT_CALLER
    say: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    seconds: float = 60.0


@dataclass(frozen=True, kw_only=True)
class TestCallResult:
    """How it went by the caller's telephone, and what the switch stored (None when it stored nothing in time)."""

    __test__ = False

    times: CallTimes
    state: CallState
    status: int | None
    turns_taken: int
    longest_silence_ms: float
    story: CallStory | None

    @property
    def reached_its_end(self) -> bool:
        """Whether the call was answered and the switch settled it, sold or not."""
        return self.times.answered_ms is not None and self.story is not None and self.story.is_settled


async def place_test_call(
    plan: TestCallPlan,
    *,
    engine: AsyncEngine | None,
    cache_dir: Path,
    progress: Progress,
    until: Callable[[], bool] = lambda: False,
) -> TestCallResult:
    """Place the call and wait for its settlement (not without `engine`).

    The caller also hangs up once `until` says so, asked many times a second while listening. `cache_dir` keeps
    rendered words. Raises VoiceUnavailable, ValueError for a wrong key, OSError.
    """
    words = await clips(plan.say, cache_dir)
    progress(f"calling {plan.to} as {plan.caller or 'a withheld number'}")
    invite = Invite(switch=plan.switch, dialled=plan.to, caller=plan.caller or "anonymous")
    async with Caller.dial(invite) as call:
        turns = await _talk(call, plan, words, progress)
        if call.times.answered_ms is not None:
            progress("listening")
            await call.listen(plan.seconds - (now_ms() - call.times.answered_ms) / 1000, until)
        await call.hang_up()
    ended_ms = call.times.ended_ms or now_ms()
    progress(_farewell(call))
    story = None
    if engine is not None and call.times.invited_ms is not None:
        story = await wait_for_call(
            engine, caller=plan.caller or None, dialled_ms=call.times.invited_ms, seconds=SETTLE_SECONDS
        )
        _report(story, progress)
    answered_ms = call.times.answered_ms
    silence = 0.0 if answered_ms is None else call.hearing.longest_silence_ms(answered_ms, ended_ms)
    return TestCallResult(
        times=call.times,
        state=call.state,
        status=call.status,
        turns_taken=turns,
        longest_silence_ms=silence,
        story=story,
    )


async def _talk(call: Caller, plan: TestCallPlan, words: Sequence[bytes], progress: Progress) -> int:
    if not await call.answered(ANSWER_SECONDS):
        return 0
    assert call.times.answered_ms is not None
    assert call.times.invited_ms is not None
    progress(f"answered after {call.times.answered_ms - call.times.invited_ms:.0f} ms")
    turns = 0
    for text, clip in zip(plan.say, words, strict=True):
        if not await call.my_turn(TURN_SECONDS):
            return turns
        progress(f'saying "{text}"')
        await call.say(clip)
        turns += 1
    for keys in plan.keys:
        if not await call.my_turn(TURN_SECONDS):
            return turns
        progress(f"pressing {keys}")
        await call.press(keys)
        turns += 1
    return turns


def _farewell(call: Caller) -> str:
    if call.state is CallState.REFUSED:
        return f"refused: {call.status} {call.reason}"
    if call.state is CallState.UNANSWERED:
        return "no answer at all: is the switch up, and is this address one of its trunks?"
    if call.times.answered_ms is None:
        return "given up before anybody answered"
    who = "the other side" if call.times.bye_received_ms is not None else "we"
    assert call.times.ended_ms is not None
    return f"{who} hung up after {(call.times.ended_ms - call.times.answered_ms) / 1000:.1f} s"


def _report(story: CallStory | None, progress: Progress) -> None:
    if story is None:
        progress("the switch has stored no such call yet: is its worker running?")
        return
    for line in tell(story):
        progress(line)
