"""Commands that the model almost wrote: "Doc, calling me." is "stop calling me".

What callers say at every question is seldom what the model expects, so its free text is often a little off. When that
text sounds like a command, the decoder is held to the commands and asked how likely the audio is one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from agi.speech.constrained_search import ConstrainedSearch, FreeText
from agi.speech.moonshine_model import DecoderState, Tokens
from agi.speech.pronunciation import Pronunciation, sound_distance
from agi.speech.token_automaton import TokenAutomaton
from ivr_flows.grammars import GRAMMARS, Grammar

COMMANDS = "commands"
NEAR_SOUND = 0.5
"""Distance of the free text from any command's text, up to which commands are looked for."""
ALIKE_SOUND = 0.4
"""Distance of the free text from the command that was found, up to which it is believed. Chosen on 148 commands of
piper's and espeak-ng's voices: 117 are found so, 85 by their text alone.
"""
FAR_BELOW_FREE = 9.0
"""How much less likely than the free text the command may be, as a log-probability."""
FEWEST_PHONES = 6
"""Shorter commands ("agent") sound like too much else."""


@dataclass(frozen=True, kw_only=True)
class CommandHeard:
    """A command. `distance`: how far the free text is from it in sound, 0 to 1."""

    command: str
    distance: float
    log_probability: float
    free: float
    """Log-probability of the free text."""

    @property
    def is_clear(self) -> bool:
        return self.distance <= ALIKE_SOUND and self.free - self.log_probability <= FAR_BELOW_FREE


class CommandEar:
    """Listens for commands behind a free text that is none."""

    def __init__(self, search: ConstrainedSearch, tokens: Tokens, pronunciation: Pronunciation) -> None:
        self._search, self._pronunciation, self._tokens = search, pronunciation, tokens
        kept = GRAMMARS[COMMANDS]
        self._automaton = TokenAutomaton(as_answers(kept), tokens)
        texts = (text for told in kept.command_texts.values() for text in told)
        phones = (pronunciation.phones(text) for text in texts)
        self._sounds = [sound for sound in phones if len(sound) >= FEWEST_PHONES]

    def listen(self, start: DecoderState, free: FreeText) -> CommandHeard | None:
        """The likeliest command when the free text sounds like one at all."""
        heard = self._pronunciation.phones(free.text)
        if not any(_near(sound, heard) for sound in self._sounds):
            return None
        answers = self._search.answers(start, self._automaton)
        if not answers:
            return None
        command = max(answers, key=lambda value: answers[value].log_probability)
        text = self._tokens.text(answers[command].tokens)
        sound = self._pronunciation.phones(text)
        return CommandHeard(
            command=command,
            distance=sound_distance(sound, heard) if len(sound) >= FEWEST_PHONES else 1.0,
            log_probability=answers[command].log_probability,
            free=free.log_probability,
        )


def as_answers(grammar: Grammar) -> Grammar:
    """A grammar whose answers are the commands."""
    return replace(grammar, phrases=grammar.commands, commands={})


def _near(sound: list[str], heard: list[str]) -> bool:
    longer, shorter = max(len(sound), len(heard)), min(len(sound), len(heard))
    if longer - shorter > NEAR_SOUND * longer:
        return False
    return sound_distance(sound, heard) <= NEAR_SOUND
