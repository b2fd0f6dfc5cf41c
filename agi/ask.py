"""One question to the caller: by the speech service, or by keys alone when it is down, frozen, full or lost."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from agi.channel import Channel, seconds_of
from agi.fastagi import HungUp
from agi.offer import Services
from agi.perform import FlowCall, sounds_of
from agi.speech.client import Heard as SpeechHeard
from agi.speech.client import Question, SpeechLost, SpeechUnavailable
from agi.speech.question import Outcome
from ivr_flows.events import AskWait
from ivr_flows.grammars import RESERVED, keypad_help
from ivr_flows.resumes import Heard, HeardOutcome

KEY_GAP_SECONDS = 3.0
RESULT_SECONDS = 1.0

log = logging.getLogger(__name__)


async def ask(on: FlowCall, wait: AskWait) -> Heard:
    """Return what the caller answered. Raises HungUp."""
    prompts = await sounds_of(on, wait.prompts)
    question = _question(wait, prompts)
    if not wait.grammar:
        return _keys(await on.channel.ask_keys(question))
    try:
        return await _ask_by_speech(on.channel, on.services, question)
    except (SpeechUnavailable, SpeechLost) as error:
        log.warning("speech is unavailable, asking by keys: %s", error)
    told = keypad_help(wait.grammar)
    help_with_keys = await sounds_of(on, [told] if told and told not in wait.prompts else [])
    return _keys(await on.channel.ask_keys(_question(wait, (*prompts, *help_with_keys))))


def _question(wait: AskWait, prompts: Sequence[Path]) -> Question:
    return Question(
        grammar=wait.grammar,
        prompts=tuple(prompts),
        interruptible=True,
        silence_seconds=wait.silence_seconds,
        maximum_seconds=sum(map(seconds_of, prompts)) + wait.silence_seconds + wait.maximum_seconds,
        keys_maximum=wait.keys_maximum,
        keys_end=wait.keys_end,
        instant_keys=wait.instant_keys,
        key_gap_seconds=KEY_GAP_SECONDS,
        synonyms=wait.synonyms,
    )


async def _ask_by_speech(channel: Channel, services: Services, question: Question) -> Heard:
    async with services.speech.open(question) as asked:
        await channel.run_audiosocket(asked.audiosocket_arguments, question=question)
        heard = await asked.heard(timeout_seconds=RESULT_SECONDS)
    if heard.outcome is Outcome.HANGUP:
        raise HungUp("the caller hung up in a question")
    return heard_of(heard)


def heard_of(heard: SpeechHeard) -> Heard:
    """Return what the speech service heard in the flow's words. Commands come as the reserved values they are."""
    return Heard(
        outcome=HeardOutcome(heard.outcome),
        value=heard.value,
        text=heard.text,
        confidence=heard.confidence,
        digits=heard.digits,
        engine=heard.engine,
        alternatives=tuple(value for value, _ in heard.alternatives if value not in RESERVED),
    )


def _keys(digits: str) -> Heard:
    outcome = HeardOutcome.KEYS if digits else HeardOutcome.SILENCE
    return Heard(outcome=outcome, digits=digits.removesuffix("#"), text=digits)
