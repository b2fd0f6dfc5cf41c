"""Collect digits that the caller presses: an account number, an extension, a telephone number. Keys only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ivr_flows import answers
from ivr_flows.events import AskWait, FlowFault, Source
from ivr_flows.nodes.fields import Field, TagField, WholeNumberField
from ivr_flows.nodes.node import Context, KeysRead, Outcome, Session
from ivr_flows.nodes.question import QUESTION_FIELDS, QuestionNode
from ivr_flows.resumes import Heard, HeardOutcome

DIGITS_MAXIMUM = 20


@dataclass(frozen=True, kw_only=True)
class DigitsNode(QuestionNode):
    """Takes `minimum` to `maximum` digits; `#` ends them early."""

    TITLE: ClassVar[str] = "Collect digits"
    HELP: ClassVar[str] = "Takes digits from the keypad and keeps them in a tag."
    EXITS: ClassVar[tuple[str, ...]] = ("answered", "unanswered")
    FIELDS: ClassVar[Mapping[str, Field]] = {
        "tag": TagField(title="Tag", help="Where the digits are kept."),
        **QUESTION_FIELDS,
        "minimum": WholeNumberField(title="Fewest digits", default=1, least=1, most=DIGITS_MAXIMUM),
        "maximum": WholeNumberField(title="Most digits", default=10, least=1, most=DIGITS_MAXIMUM),
    }

    tag: str
    minimum: int
    maximum: int

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> None:
        if values["minimum"] > values["maximum"]:
            raise ValueError("'minimum' must not be more than 'maximum'")

    def reads_keys(self, session: Session, digits: str) -> KeysRead:
        if not (digits.isascii() and digits.isdigit()) or len(digits) > self.maximum:
            return KeysRead.NOTHING
        return KeysRead.ANSWER if len(digits) >= self.minimum else KeysRead.BEGINNING

    def texts(self) -> frozenset[str]:
        return super().texts() | answers.spoken_texts(answers.DIGITS)

    def _wait(self, prompts: tuple[str, ...]) -> AskWait:
        return self._listen(prompts, grammar=answers.COMMANDS_ONLY, keys_maximum=self.maximum)

    def _heard(self, session: Session, heard: Heard, context: Context) -> Outcome:
        told = heard.outcome is HeardOutcome.KEYS
        if not told or self.reads_keys(session, heard.digits) is not KeysRead.ANSWER:
            return self._ask_again(session, context)
        event = self._answered(session, self.tag, heard.digits, Source.KEYS, heard)
        session = replace(session, answers=session.answers + 1)
        if not session.has_room_for(self.tag, heard.digits):
            fault = FlowFault(node=self.name, reason=f"the tag {self.tag} is one too many")
            return Outcome(session=session, events=(event, fault), leave="unanswered")
        return Outcome(session=session.with_tag(self.tag, heard.digits), events=(event,), leave="answered")
