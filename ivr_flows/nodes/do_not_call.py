"""Take a do-not-call request, and say that it was taken. For menus; by voice it works at every question anyway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ivr_flows.events import DoNotCallRequested, Play
from ivr_flows.nodes.fields import Field, PromptField
from ivr_flows.nodes.node import Context, Node, Outcome, Session

CONFIRMATION = "Your number has been taken off our list. You will not be called again."
NUMBER_WITHHELD = (
    "Your number is withheld, so we do not know which one to take off our list. "
    "Please call again with your number shown."
)
"""Nobody is told that they will not be called where no number can be blocked."""


def confirmed(text: str, session: Session, context: Context) -> Play:
    """What a caller hears who asked not to be called: the flow's own confirmation where their number is known."""
    return Play(prompts=context.say(text, session) if session.caller else (NUMBER_WITHHELD,))


@dataclass(frozen=True, kw_only=True)
class DoNotCallNode(Node):
    """`text` confirms it."""

    TITLE: ClassVar[str] = "Do not call"
    HELP: ClassVar[str] = "Takes the caller's number off the list, and says so."
    FIELDS: ClassVar[Mapping[str, Field]] = {
        "text": PromptField(title="Confirmation", default=CONFIRMATION),
    }

    text: str

    def enter(self, session: Session, context: Context) -> Outcome:
        said = confirmed(self.text, session, context)
        return Outcome(session=session, events=(DoNotCallRequested(node=self.name), said), leave="next")

    def texts(self) -> frozenset[str]:
        return super().texts() | {NUMBER_WITHHELD}
