"""Say a text with tags in it: "You are looking for a {loan_type} in {state}."."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ivr_flows.events import Play
from ivr_flows.nodes.fields import Field, PromptField
from ivr_flows.nodes.node import Context, Node, Outcome, Session


@dataclass(frozen=True, kw_only=True)
class SayNode(Node):
    """A tag without a value is left out; each value is read back as its grammar does."""

    TITLE: ClassVar[str] = "Say"
    HELP: ClassVar[str] = "Says a text with the call's {tags} in it."
    FIELDS: ClassVar[Mapping[str, Field]] = {
        "text": PromptField(title="Text", help="Write {state} where the tag's value is to be said."),
    }

    text: str

    def enter(self, session: Session, context: Context) -> Outcome:
        prompts = context.say(self.text, session)
        return Outcome(session=session, events=(Play(prompts=prompts),) if prompts else (), leave="next")
