"""Read back what is known and ask whether it is right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from ivr_flows import answers, grammars
from ivr_flows.events import AskWait
from ivr_flows.nodes.ask import answer_to_yes_no
from ivr_flows.nodes.fields import Field, TagField
from ivr_flows.nodes.node import Context, KeysRead, Outcome, Session
from ivr_flows.nodes.question import QUESTION_FIELDS, QuestionNode, source_of
from ivr_flows.resumes import Heard


@dataclass(frozen=True, kw_only=True)
class ConfirmNode(QuestionNode):
    """Leaves by `yes`, `no`, or `unanswered` when neither could be told."""

    TITLE: ClassVar[str] = "Confirm"
    HELP: ClassVar[str] = "Reads tags back and asks whether they are right."
    EXITS: ClassVar[tuple[str, ...]] = ("yes", "no", "unanswered")
    FIELDS: ClassVar[Mapping[str, Field]] = {
        **QUESTION_FIELDS,
        "tag": TagField(title="Tag", help="Where yes or no is kept too, if wanted.", default=""),
    }

    tag: str

    def reads_keys(self, session: Session, digits: str) -> KeysRead:
        return KeysRead.ANSWER if grammars.keys_to_values("yes_no", digits) else KeysRead.NOTHING

    def texts(self) -> frozenset[str]:
        return super().texts() | answers.help_texts("yes_no")

    def _wait(self, prompts: tuple[str, ...]) -> AskWait:
        return self._listen(prompts, grammar="yes_no", keys_maximum=grammars.keys_maximum("yes_no"))

    def _heard(self, session: Session, heard: Heard, context: Context) -> Outcome:
        said = answer_to_yes_no(heard)
        if said is None:
            return self._ask_again(session, context)
        event = self._answered(session, self.tag or self.name, said, source_of(heard), heard)
        session = replace(session, answers=session.answers + 1)
        if self.tag and session.has_room_for(self.tag, said):
            session = session.with_tag(self.tag, said)
        return Outcome(session=session, events=(event,), leave=said)
