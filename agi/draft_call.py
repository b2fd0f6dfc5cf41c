"""Somebody talks to a draft through the softphone: everything a caller would hear, and nothing that a call leaves.

There is no call row, so nothing is billed or counted. A route decides on what is in use now, takes no room, asks no
bidder and rings nobody: it says who would take the call. A fixed number is not rung, a message is not kept, nobody is
put on the do-not-call list, nothing is recorded. A web hook is asked in earnest, for the flow goes by its answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from agi import channel_variables as var
from agi.call import InboundCall, caller_of
from agi.channel import Channel
from agi.dial_code_queries import DialCode
from agi.draft_story import DraftStory
from agi.fastagi import HungUp
from agi.offer import Services
from agi.offered import treatment_of
from agi.perform import FlowCall, perform, play
from agi.speech.client import Question
from agi.speech.prompts import PromptError, render_prompts
from agi.waits import wait_for
from ivr_flows import engine
from ivr_flows.definition import Flow, FlowError, parse_flow
from ivr_flows.events import RouteWait, TransferWait, VoicemailWait, Wait
from ivr_flows.inspection import texts_of
from ivr_flows.nodes.node import Session
from ivr_flows.resumes import MessageLeft, Resume, Routed
from router.domain.caller_facts import with_caller_state
from router.domain.decision import Decision, RouteRequest
from router.domain.market import Snapshot
from rules.places import states_of_area_code

PREPARE_SECONDS = 40.0
"""How long the caller hears ringing while the draft's new prompts are made."""
MESSAGE_SECONDS = 6.0
WOULD_RING = "This call would now go to {target} of {buyer}. The test ends here."
WOULD_TRANSFER = "This call would now be transferred to a fixed number. The test ends here."
WOULD_TREAT = "Nobody would take this call. What the campaign does then would follow. The test ends here."

log = logging.getLogger(__name__)


async def draft_call(channel: Channel, services: Services, code: DialCode) -> None:
    """Play the draft of `code` to its end. Raises HungUp when the caller leaves before."""
    story = DraftStory(services.engine, code.id)
    reason = "something broke on our side"
    try:
        reason = await _play_draft(channel, replace(services, journal=story), story, code)
        await channel.set_variables({var.DONE: "1"})
    except HungUp:
        reason = "hung up"
        raise
    finally:
        story.tell("ended", reason=reason)
        await story.close()


async def _play_draft(channel: Channel, services: Services, story: DraftStory, code: DialCode) -> str:
    """Return why the call is over."""
    try:
        flow = parse_flow(code.definition or {}, version=0)
    except FlowError as problem:
        story.tell("fault", reason=str(problem)[:500])
        return "the draft cannot be read"
    call = InboundCall(linkedid=channel.uniqueid, dialled="", caller=caller_of(code.caller or ""))
    story.tell("began", flow=flow.name, caller=call.caller)
    await _prepare(channel, services, story, texts_of(flow))
    on = FlowCall(channel=channel, services=services, call=call, campaign_records=False)
    return await _walk(on, flow, story, code)


async def _prepare(channel: Channel, services: Services, story: DraftStory, texts: Iterable[str]) -> None:
    """Have every text of the draft spoken that is not there yet: a test with gaps in it would show the wrong call."""
    missing = services.sounds.missing(sorted(texts))
    if not missing:
        return
    story.tell("preparing", prompts=len(missing))
    await channel.arm(PREPARE_SECONDS)
    await channel.ring()
    try:
        async with asyncio.timeout(PREPARE_SECONDS):
            await asyncio.to_thread(render_prompts, services.prompts_dir, missing)
    except (PromptError, TimeoutError) as problem:
        story.tell("fault", reason=f"some prompts cannot be heard: {problem or 'making them takes too long'}")


async def _walk(on: FlowCall, flow: Flow, story: DraftStory, code: DialCode) -> str:
    snapshot = on.services.snapshot.current
    step = engine.start(
        flow,
        now=datetime.now(UTC),
        session_id=str(code.id),
        caller=on.call.caller,
        caller_states=states_of_area_code(on.call.caller, snapshot.area_codes),
    )
    while True:
        _tell_way(story, step)
        await perform(on, step.events, step.session)
        if step.session.ended or step.wait is None:
            return "the flow ended the call"
        waits_for = type(step.wait).__name__.removesuffix("Wait").lower()
        story.tell("waiting", _place(step.session), waits_for=waits_for)
        resume = await _wait(on, step.wait, step.session, story, code)
        if isinstance(resume, str):
            return resume
        step = engine.resume(flow, step.session, resume, now=datetime.now(UTC))


def _tell_way(story: DraftStory, step: engine.Step) -> None:
    """Tell which nodes the call came through, before it hears what they say."""
    way = [{"node": passed.node, "exit": passed.exit} for passed in step.way]
    story.tell("step", _place(step.session), way=way)


def _place(session: Session) -> str:
    """Return where the call is, as `Passed.node` spells it."""
    return "/".join((*session.stack, session.node))


async def _wait(
    on: FlowCall, wait: Wait, session: Session, story: DraftStory, code: DialCode
) -> Resume | str:
    """Return what the flow goes on with, or why the test is over."""
    match wait:
        case RouteWait():
            return await _route(on, session, story, code)
        case TransferWait(number=number):
            story.tell("transfer", session.node, number=number)
            await play(on, (WOULD_TRANSFER,))
            return "it would be transferred"
        case VoicemailWait():
            return await _message(on, wait, session, story)
        case _:
            return await wait_for(on, wait, session.node)


async def _message(on: FlowCall, wait: VoicemailWait, session: Session, story: DraftStory) -> MessageLeft:
    """Let the caller speak a little, or press a key; nothing of it is kept."""
    await play(on, wait.prompts)
    story.tell("message_not_kept", session.node)
    began = asyncio.get_running_loop().time()
    await on.channel.ask_keys(_SILENCE)
    return MessageLeft(seconds=asyncio.get_running_loop().time() - began)


_SILENCE = Question(
    grammar="",
    prompts=(),
    interruptible=True,
    silence_seconds=MESSAGE_SECONDS,
    maximum_seconds=MESSAGE_SECONDS,
    keys_maximum=1,
    keys_end="#",
    instant_keys="",
    key_gap_seconds=1.0,
    synonyms={},
)


async def _route(on: FlowCall, session: Session, story: DraftStory, code: DialCode) -> Routed | str:
    snapshot = on.services.snapshot.current
    campaign = snapshot.campaigns.get(code.campaign_id or 0)
    if campaign is None:
        story.tell("routed", session.node, buyer="", target="", campaign="", rejected={})
        return Routed(found=False)
    decision = await on.services.router.would_route(
        _request(on, session, snapshot, code), on.services.live_calls.counts()
    )
    target, buyer = _who(snapshot, decision)
    rejected = {
        snapshot.targets[one.target_id].name: str(one.code)
        for one in decision.rejections
        if one.target_id in snapshot.targets
    }
    story.tell("routed", session.node, buyer=buyer, target=target, campaign=campaign.name, rejected=rejected)
    if target:
        await play(on, (WOULD_RING.format(target=target, buyer=buyer),))
        return f"it would go to {target} of {buyer}"
    if treatment_of(snapshot, campaign.id, holds=0, caller=on.call.caller) is not None:
        await play(on, (WOULD_TREAT,))
        return "nobody would take it, and the campaign's own treatment would follow"
    return Routed(found=False)


def _request(on: FlowCall, session: Session, snapshot: Snapshot, code: DialCode) -> RouteRequest:
    caller = on.call.caller or None
    return RouteRequest(
        call_id=str(code.id),
        campaign_id=code.campaign_id or 0,
        caller=caller,
        tags=with_caller_state(session.tags, caller, snapshot.area_codes, snapshot.zip_codes),
        now=datetime.now(UTC),
    )


def _who(snapshot: Snapshot, decision: Decision) -> tuple[str, str]:
    """Return target and buyer by name, two empty texts when there is nobody."""
    if decision.chosen is None:
        return "", ""
    buyer = snapshot.buyers.get(decision.chosen.buyer_id)
    return snapshot.targets[decision.chosen.target_id].name, "" if buyer is None else buyer.name
