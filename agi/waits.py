"""Waits on a live call for what its flow waits for, and brings back the answer: one function a kind of wait.

A route is not here: it may end the step, so agi/inbound_call.py has it.
"""

from __future__ import annotations

import asyncio

from agi.ask import ask
from agi.perform import FlowCall, play
from agi.web_hooks import ask_web_hook
from ivr_flows.events import (
    AskWait,
    HoldWait,
    NoticeWait,
    RouteWait,
    TransferWait,
    VoicemailWait,
    Wait,
    WebhookWait,
)
from ivr_flows.resumes import (
    HoldOver,
    MessageLeft,
    NoticePlayed,
    Resume,
    TransferOutcome,
    Transferred,
    WebhookAnswered,
)
from router.abroad_room import take_room_abroad
from rules.dialling import LONGEST_TALK_SECONDS, read_dialled
from rules.telephone import NumberProblem
from store.call_id import call_id_of

TRANSFER_SECONDS = 2 * 3600
"""How long a talk at a fixed number may last."""
QUIET_SECONDS = 1.5
"""How long a caller hears nothing while we ask somebody else's server; then the chime."""
_OUTCOMES = {
    "ANSWER": TransferOutcome.ANSWERED,
    "BUSY": TransferOutcome.BUSY,
    "NOANSWER": TransferOutcome.NO_ANSWER,
}


WAITING = "waiting"
"""The event that says where in its flow a call is: whoever watches calls sees it before the caller has answered."""
_WAITS = {
    AskWait: "ask",
    NoticeWait: "notice",
    HoldWait: "hold",
    VoicemailWait: "voicemail",
    TransferWait: "transfer",
    WebhookWait: "web_hook",
}


def note_wait(on: FlowCall, wait: Wait, node: str) -> None:
    """Write at which node the call waits, and for what: one line into a file, no time of the caller's."""
    on.note(WAITING, node, waits_for=_WAITS[type(wait)])


async def wait_for(on: FlowCall, wait: Wait, node: str) -> Resume:
    """Wait for anything but a route. `node` is the flow's node that waits. Raises HungUp."""
    match wait:
        case AskWait():
            return await ask(on, wait)
        case NoticeWait(prompts=prompts):
            return NoticePlayed(complete=await play(on, prompts))
        case HoldWait():
            return await _hold(on, wait)
        case VoicemailWait():
            return await _voicemail(on, wait)
        case TransferWait():
            return await _transfer(on, wait, node)
        case WebhookWait():
            return await _web_hook(on, wait, node)
        case RouteWait():
            raise TypeError("a route is not waited for here")


async def _hold(on: FlowCall, wait: HoldWait) -> HoldOver:
    await play(on, wait.prompts)
    return HoldOver(digits=await on.channel.hold(wait.seconds, wait.keys))


async def _voicemail(on: FlowCall, wait: VoicemailWait) -> MessageLeft:
    await play(on, wait.prompts)
    return MessageLeft(seconds=await on.channel.take_message(wait.maximum_seconds, wait.silence_seconds))


async def _transfer(on: FlowCall, wait: TransferWait, node: str) -> Transferred:
    """The number is checked once more: whatever the database holds, nothing else is dialled at our cost."""
    rules = on.services.snapshot.current.dialling
    number = read_dialled(wait.number, rules)
    if isinstance(number, NumberProblem):
        on.note("transfer", node, number=wait.number[:40], refused=number.reason)
        return Transferred(outcome=TransferOutcome.FAILED)
    destination = rules.destination_of(number)
    if destination is not None:
        refused = await take_room_abroad(on.services.engine, call_id_of(on.call.linkedid), destination)
        if refused:
            on.note("transfer", node, number=number, refused=refused)
            return Transferred(outcome=TransferOutcome.FAILED)
    on.note("transfer", node, number=number)
    talk_seconds = TRANSFER_SECONDS if destination is None else LONGEST_TALK_SECONDS
    status = await on.channel.transfer(number, wait.ring_seconds, talk_seconds)
    return Transferred(outcome=_OUTCOMES.get(status, TransferOutcome.FAILED))


async def _web_hook(on: FlowCall, wait: WebhookWait, node: str) -> WebhookAnswered:
    began = asyncio.get_running_loop().time()
    asking = asyncio.create_task(ask_web_hook(on.services.web_hooks, wait))
    try:
        await _pass_the_time(on, asking, wait.timeout_seconds)
        answer = await asking
    finally:
        asking.cancel()
    took_ms = round((asyncio.get_running_loop().time() - began) * 1000)
    on.note("web_hook", node, took_ms=took_ms, given=sorted(answer.values), reason=answer.reason)
    return answer


async def _pass_the_time(on: FlowCall, asking: asyncio.Task[WebhookAnswered], seconds: float) -> None:
    """Keep the caller company while we ask, which ends by itself: silence for a moment, then the chime."""
    await on.channel.arm(seconds)
    done, _ = await asyncio.wait({asking}, timeout=QUIET_SECONDS)
    if not done:
        await on.channel.start_chime()
        await asyncio.wait({asking})
        await on.channel.stop_chime()
