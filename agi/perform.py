"""Does on a live call what a step of its flow wants done: one function an event kind. agi/waits.py does the waits."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from agi import channel_variables as var
from agi import journal
from agi.call import InboundCall, dump_tags
from agi.channel import Channel
from agi.offer import Services
from agi.recordings import recording_name
from agi.sounds import RENDER_SECONDS
from agi.speech.prompts import prompt_digest
from ivr_flows.events import (
    Answer,
    Answered,
    CallBackRequested,
    DoNotCallRequested,
    Event,
    FlowFault,
    HangUp,
    NoticeHeard,
    Play,
    StartRecording,
    StopRecording,
    TagSet,
)
from ivr_flows.nodes.node import Session
from store.call_id import call_id_of

log = logging.getLogger(__name__)


class Recording(Enum):
    """Whether a call is recorded. Nothing leads back from `REFUSED`."""

    NOT_YET = "not yet"
    RUNNING = "running"
    REFUSED = "refused"


@dataclass(kw_only=True)
class FlowCall:
    """A call while its flow runs."""

    channel: Channel
    services: Services
    call: InboundCall
    campaign_records: bool
    """Whether the campaign lets its calls be recorded."""
    recording: Recording = Recording.NOT_YET
    told: set[str] = field(default_factory=set)
    """Names of the prompts the journal has for this call."""

    def note(self, event: str, node: str, **detail: object) -> None:
        """Write an event of the call's story."""
        body = {"event": event, "node": node, "detail": detail}
        self.services.journal.write(journal.NOTED, self.call.linkedid, body)


async def perform(on: FlowCall, events: Iterable[Event], session: Session) -> None:
    """Do the events in order. `session` is how the flow stands after them. Raises HungUp."""
    tags_kept = False
    for event in events:
        if isinstance(event, Answered | TagSet):
            _write_answer(on, event)
            if not tags_kept:
                await _keep_tags(on, session)
                tags_kept = True
        else:
            await _perform_one(on, event)


async def _perform_one(on: FlowCall, event: Event) -> None:
    match event:
        case Answer():
            await on.channel.answer()
        case Play(prompts=prompts):
            await play(on, prompts)
        case NoticeHeard():
            _notice_heard(on, event)
        case StartRecording():
            await _start_recording(on, event)
        case StopRecording():
            await _stop_recording(on, event)
        case DoNotCallRequested():
            _do_not_call(on, event)
        case CallBackRequested():
            _call_back(on, event)
        case FlowFault(node=node, reason=reason):
            log.warning("flow, node %r: %s", node, reason)
            on.note("fault", node, reason=reason)
        case HangUp():
            await on.channel.set_variables({var.DONE: "1"})
            await on.channel.hang_up()


async def play(on: FlowCall, prompts: Sequence[str]) -> bool:
    """Play prompts to their end; return whether every one of them was heard whole."""
    sounds = await sounds_of(on, prompts)
    return await on.channel.play(sounds) and len(sounds) == len(prompts)


async def sounds_of(on: FlowCall, prompts: Sequence[str]) -> tuple[Path, ...]:
    """Return the sounds of those prompts that have one, rendering what is missing when that is quick."""
    sounds = on.services.sounds
    missing = sounds.missing(prompts)
    if missing:
        await on.channel.arm(RENDER_SECONDS)
        await sounds.render(missing)
    there = sounds.there(prompts)
    _write_prompts(on, there)
    return there


def _write_prompts(on: FlowCall, sounds: Iterable[Path]) -> None:
    """The journal has the digest of each sound that the call was played, once: what was heard can be proved."""
    fresh = {sound.stem: sound for sound in sounds if sound.stem not in on.told}
    if fresh:
        on.told.update(fresh)
        on.note("prompts", "", sounds=_digests(fresh.values()))


def _digests(sounds: Iterable[Path]) -> dict[str, str]:
    """Return the SHA-256 of each sound, by its name; '' for one that has gone."""
    digests = {}
    for sound in sounds:
        try:
            digests[sound.stem] = prompt_digest(sound)
        except OSError:
            digests[sound.stem] = ""
    return digests


def _write_answer(on: FlowCall, event: Answered | TagSet) -> None:
    if isinstance(event, TagSet):
        on.note("tag_set", event.node, tag=event.tag, value=event.value, source=str(event.source))
        return
    body = {
        "sequence": event.sequence,
        "node": event.node,
        "tag": event.tag,
        "value": event.value,
        "source": str(event.source),
        "heard": event.heard,
        "confidence": event.confidence,
        "engine": event.engine,
    }
    on.services.journal.write(journal.ANSWERED, on.call.linkedid, body)


async def _keep_tags(on: FlowCall, session: Session) -> None:
    """Survival goes on with what is known so far, from the channel alone."""
    on.services.journal.write(journal.TAGGED, on.call.linkedid, {"tags": dict(session.tags)})
    await on.channel.set_variables({var.TAGS: dump_tags(session.tags)})


def _notice_heard(on: FlowCall, event: NoticeHeard) -> None:
    sounds = map(on.services.sounds.path, event.prompts)
    on.note("notice_heard", event.node, said=list(event.prompts), sounds=_digests(sounds))


async def _start_recording(on: FlowCall, event: StartRecording) -> None:
    """Recorded from here on, the talk with a buyer included, unless campaign or caller will not have it."""
    if on.recording is not Recording.NOT_YET:
        return
    if not on.campaign_records:
        on.note("not_recorded", event.node, reason="the campaign's calls are not recorded")
        return
    on.recording = Recording.RUNNING
    # First the word, then the deed: no file without a row that says by which notice.
    body = {"state": "started", "part": 1, "consent_node": event.node}
    on.services.journal.write(journal.RECORDING, on.call.linkedid, body)
    await on.channel.record(recording_name(call_id_of(on.call.linkedid)))


async def _stop_recording(on: FlowCall, event: StopRecording) -> None:
    """The caller does not want it: stopped, not started again, and what there is of it is dropped by the worker."""
    was_running = on.recording is Recording.RUNNING
    on.recording = Recording.REFUSED
    if was_running:
        await on.channel.stop_recording()
        on.services.journal.write(journal.RECORDING, on.call.linkedid, {"state": "refused", "part": 1})
    on.note("recording_refused", event.node, was_running=was_running)


def _do_not_call(on: FlowCall, event: DoNotCallRequested) -> None:
    body = {
        "request": "do_not_call",
        "node": event.node,
        "number": on.call.caller or None,
        "said": event.heard,
    }
    on.services.journal.write(journal.REQUESTED, on.call.linkedid, body)


def _call_back(on: FlowCall, event: CallBackRequested) -> None:
    body = {"request": "call_back", "node": event.node, "number": event.number, "said": event.said}
    on.services.journal.write(journal.REQUESTED, on.call.linkedid, body)
