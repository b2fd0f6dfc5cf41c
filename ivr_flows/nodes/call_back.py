"""Take a call-back request: the consent to one call, on the caller's own number or on one they pressed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ivr_flows.events import CallBackRequested, Play
from ivr_flows.nodes.fields import Field, PromptField, TagField
from ivr_flows.nodes.node import Context, Node, Outcome, Session
from rules.dialling import US_ONLY, read_dialled


@dataclass(frozen=True, kw_only=True)
class CallBackNode(Node):
    """Leaves by `no_number` when there is none that may be rung."""

    TITLE: ClassVar[str] = "Call back"
    HELP: ClassVar[str] = "Notes that the caller wants to be called back, and says so."
    EXITS: ClassVar[tuple[str, ...]] = ("next", "no_number")
    FIELDS: ClassVar[Mapping[str, Field]] = {
        "text": PromptField(title="Confirmation", help="What the caller is told it is for."),
        "number_tag": TagField(title="Number from tag", help="Empty: the caller's own number.", default=""),
    }

    text: str
    number_tag: str

    def enter(self, session: Session, context: Context) -> Outcome:
        told = session.tags.get(self.number_tag, "") if self.number_tag else session.caller
        number = read_dialled(told, US_ONLY)
        if not isinstance(number, str):
            return Outcome(session=session, leave="no_number")
        said = context.say(self.text, session)
        request = CallBackRequested(node=self.name, number=number, said=" ".join(said))
        return Outcome(session=session, events=(request, Play(prompts=said)), leave="next")

    def tags_read(self) -> frozenset[str]:
        return self.tags_spoken() | ({self.number_tag} if self.number_tag else set())

    def tags_set(self) -> frozenset[str]:
        return frozenset()
