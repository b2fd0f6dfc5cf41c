"""Ask for the value of a tag, by voice and by keys, talking over the prompt allowed.

asking -> accepted: the tag is set. -> unsure, or a grammar that is always read back (money, ZIP, number, date):
`confirming` ("Did you say Maryland?", then the next best). -> keys with several meanings: `choosing` ("For Maryland,
press 1. For Maine, press 2."). -> silence, noise or wrong keys: the next attempt. After the last attempt the node falls
back to what the caller's area code says (`fallback: area_code`), marked as such, or leaves the tag unset. Nobody is
ever dropped here: both exits go on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ivr_flows import answers, grammars
from ivr_flows.events import AskWait, FlowFault, Source
from ivr_flows.nodes.fields import ChoiceField, Field, ListField, MapField, TagField, TextField
from ivr_flows.nodes.node import Context, KeysRead, Outcome, Session
from ivr_flows.nodes.question import QUESTION_FIELDS, QuestionNode, source_of
from ivr_flows.resumes import Heard, HeardOutcome

CHOICES_MAXIMUM = 9
CANDIDATES_MAXIMUM = 2
"""How many values one attempt asks back before the question is asked again."""
DID_YOU_SAY = "Did you say"
YES_OR_NO = "Say yes or press 1. Say no or press 2."
FOR = "For"
PRESS = "press {}."
NONE_OF_THESE = "For none of these, press 0."
STATE_TAG = "state"
_NAMES_KEYS = re.compile(r"\b(press|keys?|keypad|dial)\b", re.IGNORECASE)
"""Where the words that ask again do not name the keys, those of the grammar are told: who is not understood once, on a
noisy line, is offered them at once.
"""


@dataclass(frozen=True, kw_only=True)
class AskNode(QuestionNode):
    """Leaves by `answered` when the tag has the caller's own value, else by `unanswered`."""

    TITLE: ClassVar[str] = "Ask"
    HELP: ClassVar[str] = "Asks a question and keeps the answer in a tag, by voice or keys."
    EXITS: ClassVar[tuple[str, ...]] = ("answered", "unanswered")
    FIELDS: ClassVar[Mapping[str, Field]] = {
        "tag": TagField(title="Tag", help="Where the answer is kept."),
        "grammar": ChoiceField(
            title="Kind of answer",
            help="What callers may say and press.",
            choices=answers.grammar_names,
            noun="grammar",
        ),
        **QUESTION_FIELDS,
        "fallback": ChoiceField(
            title="Without an answer",
            help="area_code: take the states of the caller's area code, marked as a guess.",
            choices=lambda: ("none", "area_code"),
            default="none",
        ),
        "confirm": ChoiceField(
            title="Read back",
            help="Whether an answer that was heard well is read back all the same.",
            choices=lambda: ("when_unsure", "always"),
            default="when_unsure",
        ),
        "synonyms": MapField(
            title="More ways to say it",
            help="Value -> further words for it in this flow.",
            names=re.compile(r"[A-Za-z0-9_]{1,40}"),
            names_help="a value of the grammar",
            values=ListField(title="Words", values=TextField(title="Words", maximum=80), least=1),
            default={},
            most=60,
        ),
    }

    tag: str
    grammar: str
    fallback: str
    confirm: str
    synonyms: Mapping[str, tuple[str, ...]]

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> None:
        if values["synonyms"]:
            grammars.grammar_with(values["grammar"], values["synonyms"])

    def reads_keys(self, session: Session, digits: str) -> KeysRead:
        if session.phase == "choosing":
            return KeysRead.ANSWER if digits.isdigit() and len(digits) == 1 else KeysRead.NOTHING
        grammar = "yes_no" if session.phase == "confirming" else self.grammar
        if grammars.keys_to_values(grammar, digits):
            return KeysRead.ANSWER
        kept = grammars.GRAMMARS[grammar]
        begins = digits.isdigit() if kept.is_open else any(keys.startswith(digits) for keys in kept.keys)
        return KeysRead.BEGINNING if begins else KeysRead.NOTHING

    def texts(self) -> frozenset[str]:
        presses = {PRESS.format(number) for number in range(1, CHOICES_MAXIMUM + 1)}
        own = frozenset({DID_YOU_SAY, YES_OR_NO, FOR, NONE_OF_THESE} | presses)
        told = answers.help_texts(self.grammar) | answers.help_texts("yes_no")
        return super().texts() | own | told | answers.spoken_texts(self.grammar)

    def tags_set(self) -> frozenset[str]:
        guessed = {f"{self.tag}_source", f"{self.tag}_candidates"} if self.fallback == "area_code" else set()
        return frozenset({self.tag} | guessed)

    def _wait(self, prompts: tuple[str, ...]) -> AskWait:
        wait = self._listen(prompts, grammar=self.grammar, keys_maximum=grammars.keys_maximum(self.grammar))
        return replace(wait, synonyms=self.synonyms)

    def _said_again(self, session: Session, context: Context) -> tuple[str, ...]:
        said = super()._said_again(session, context)
        return said if _NAMES_KEYS.search(self.retry) else (*said, *answers.help_texts(self.grammar))

    def _heard(self, session: Session, heard: Heard, context: Context) -> Outcome:
        if session.phase == "confirming":
            return self._confirmed(session, heard, context)
        if session.phase == "choosing":
            return self._chosen(session, heard, context)
        if heard.outcome is HeardOutcome.KEYS:
            return self._keyed(session, heard.digits, context)
        return self._said(session, heard, context)

    def _said(self, session: Session, heard: Heard, context: Context) -> Outcome:
        known = heard.outcome in (HeardOutcome.ACCEPTED, HeardOutcome.UNSURE)
        if not known or heard.value is None or not answers.is_value(self.grammar, heard.value):
            return self._ask_again(session, context)
        read_back = self.confirm == "always" or grammars.GRAMMARS[self.grammar].read_back
        if heard.outcome is HeardOutcome.ACCEPTED and not read_back:
            return self._accept(session, heard.value, heard)
        return self._confirm(session, self._candidates(heard), heard)

    def _keyed(self, session: Session, digits: str, context: Context) -> Outcome:
        values = grammars.keys_to_values(self.grammar, digits)
        if not values:
            return self._ask_again(session, context)
        if len(values) == 1:
            return self._accept(session, values[0], Heard(outcome=HeardOutcome.KEYS, text=digits))
        return self._choose(session, values[:CHOICES_MAXIMUM], digits)

    def _candidates(self, heard: Heard) -> tuple[str, ...]:
        values = dict.fromkeys((str(heard.value), *heard.alternatives))
        return tuple(value for value in values if answers.is_value(self.grammar, value))[:CANDIDATES_MAXIMUM]

    def _confirm(self, session: Session, candidates: tuple[str, ...], heard: Heard) -> Outcome:
        prompts = (DID_YOU_SAY, *grammars.spoken_pieces(self.grammar, candidates[0]), YES_OR_NO)
        wait = self._listen(prompts, grammar="yes_no", keys_maximum=grammars.keys_maximum("yes_no"))
        pending = {"text": heard.text, "confidence": heard.confidence, "engine": heard.engine}
        asking = replace(session, phase="confirming", candidates=candidates, pending=pending)
        return Outcome(session=asking, wait=wait)

    def _confirmed(self, session: Session, heard: Heard, context: Context) -> Outcome:
        said = answer_to_yes_no(heard)
        first = Heard(outcome=HeardOutcome.ACCEPTED, **session.pending)
        if said == "yes":
            return self._accept(session, session.candidates[0], first)
        if said == "no" and session.candidates[1:]:
            return self._confirm(session, session.candidates[1:], first)
        return self._ask_again(session, context)

    def _choose(self, session: Session, values: tuple[str, ...], digits: str) -> Outcome:
        prompts: tuple[str, ...] = ()
        for number, value in enumerate(values, 1):
            prompts += (FOR, *grammars.spoken_pieces(self.grammar, value), PRESS.format(number))
        wait = self._listen((*prompts, NONE_OF_THESE), grammar=answers.COMMANDS_ONLY, keys_maximum=1)
        choosing = replace(session, phase="choosing", candidates=values, pending={"digits": digits})
        return Outcome(session=choosing, wait=wait)

    def _chosen(self, session: Session, heard: Heard, context: Context) -> Outcome:
        number = int(heard.digits) if heard.digits.isascii() and heard.digits.isdigit() else 0
        if not 1 <= number <= len(session.candidates):
            return self._ask_again(session, context)
        digits = f"{session.pending['digits']} {heard.digits}"
        value = session.candidates[number - 1]
        return self._accept(session, value, Heard(outcome=HeardOutcome.KEYS, text=digits))

    def _accept(self, session: Session, value: str, heard: Heard) -> Outcome:
        # What was only guessed before counts no longer.
        told = {key: tag for key, tag in session.tags.items() if key not in self._guesses}
        event = self._answered(session, self.tag, value, source_of(heard), heard)
        session = replace(session, tags=told, answers=session.answers + 1)
        if not session.has_room_for(self.tag, value):
            fault = FlowFault(node=self.name, reason=f"the tag {self.tag} is one too many")
            return Outcome(session=session, events=(event, fault), leave="unanswered")
        return Outcome(session=session.with_tag(self.tag, value), events=(event,), leave="answered")

    def _give_up(self, session: Session) -> Outcome:
        """Several states under one area code are kept as candidates: the router then wants a licence in each."""
        states = session.caller_states if self.fallback == "area_code" else ()
        tag = self.tag if len(states) == 1 else f"{self.tag}_candidates"
        nothing = Heard(outcome=HeardOutcome.SILENCE)
        given_up = replace(session, answers=session.answers + 1)
        if not states:
            event = self._answered(session, self.tag, None, Source.NONE, nothing)
            return Outcome(session=given_up, events=(event,), leave="unanswered")
        value = "-".join(states)
        event = self._answered(session, tag, value, Source.AREA_CODE, nothing)
        guessed = given_up.with_tag(tag, value).with_tag(f"{self.tag}_source", Source.AREA_CODE.value)
        return Outcome(session=guessed, events=(event,), leave="unanswered")

    @property
    def _guesses(self) -> tuple[str, str]:
        """Tags that say that the tag was not told by the caller; missing when it was."""
        return f"{self.tag}_source", f"{self.tag}_candidates"


def answer_to_yes_no(heard: Heard) -> str | None:
    """Return yes or no where the caller clearly said or pressed so, else None."""
    if heard.outcome is HeardOutcome.KEYS:
        values = grammars.keys_to_values("yes_no", heard.digits)
        return values[0] if len(values) == 1 else None
    known = heard.outcome is HeardOutcome.ACCEPTED and heard.value in ("yes", "no")
    return heard.value if known else None
