"""Let the caller choose a way: by key, and by voice where a grammar's values are the choices. Sets no tag by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ivr_flows import answers
from ivr_flows.events import AskWait
from ivr_flows.nodes.fields import ChoiceField, Field, MapField, TagField, TextField
from ivr_flows.nodes.node import Context, KeysRead, Outcome, Session
from ivr_flows.nodes.question import QUESTION_FIELDS, QuestionNode, source_of
from ivr_flows.resumes import Heard, HeardOutcome

KEYS = re.compile(r"[0-9*]")
CHOICE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")


@dataclass(frozen=True, kw_only=True)
class MenuNode(QuestionNode):
    """Leaves by the choice's own exit, or by `unanswered`."""

    TITLE: ClassVar[str] = "Menu"
    HELP: ClassVar[str] = "Offers a few ways, each with a key and an exit of its own."
    EXITS: ClassVar[tuple[str, ...]] = ("unanswered",)
    OWN_EXITS: ClassVar[str] = "choices"
    FIELDS: ClassVar[Mapping[str, Field]] = {
        **QUESTION_FIELDS,
        "choices": MapField(
            title="Choices",
            help="Name of the exit -> its key.",
            names=CHOICE,
            names_help="a name like home_equity",
            values=TextField(title="Key", maximum=1),
            least=1,
            most=11,
        ),
        "grammar": ChoiceField(
            title="By voice",
            help="A grammar whose values are the names of the choices; empty: keys only.",
            choices=lambda: ("", *answers.grammar_names()),
            default="",
            noun="grammar",
        ),
        "tag": TagField(title="Tag", help="Where the choice is kept too, if wanted.", default=""),
    }

    choices: Mapping[str, str]
    grammar: str
    tag: str

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> None:
        keys = list(values["choices"].values())
        for name, key in values["choices"].items():
            if not KEYS.fullmatch(key):
                raise ValueError(f"'choices.{name}' must be one key: 0 to 9 or *")
            if keys.count(key) > 1:
                raise ValueError(f"'choices.{name}': the key {key} is taken twice")
            if values["grammar"] and not answers.is_value(values["grammar"], name):
                raise ValueError(f"'choices.{name}' is no value of the grammar {values['grammar']}")
        if "unanswered" in values["choices"]:
            raise ValueError("'choices': unanswered is the exit of callers who choose nothing")

    def reads_keys(self, session: Session, digits: str) -> KeysRead:
        return KeysRead.ANSWER if digits in self.choices.values() else KeysRead.NOTHING

    def texts(self) -> frozenset[str]:
        return super().texts() | answers.help_texts(self.grammar)

    def _wait(self, prompts: tuple[str, ...]) -> AskWait:
        return self._listen(prompts, grammar=self.grammar or answers.COMMANDS_ONLY, keys_maximum=1)

    def _heard(self, session: Session, heard: Heard, context: Context) -> Outcome:
        chosen = self._choice(heard)
        if chosen is None:
            return self._ask_again(session, context)
        event = self._answered(session, self.tag or self.name, chosen, source_of(heard), heard)
        session = replace(session, answers=session.answers + 1)
        if self.tag and session.has_room_for(self.tag, chosen):
            session = session.with_tag(self.tag, chosen)
        return Outcome(session=session, events=(event,), leave=chosen)

    def _choice(self, heard: Heard) -> str | None:
        if heard.outcome is HeardOutcome.KEYS:
            return next((name for name, key in self.choices.items() if key == heard.digits), None)
        if heard.outcome is HeardOutcome.ACCEPTED and heard.value in self.choices:
            return heard.value
        return None
