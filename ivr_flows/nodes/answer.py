"""Answer the call. Whatever makes a sound answers by itself: this is for flows that begin with silence or a route."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ivr_flows.events import Answer
from ivr_flows.nodes.node import Context, Node, Outcome, Session


@dataclass(frozen=True, kw_only=True)
class AnswerNode(Node):
    """Has no settings."""

    TITLE: ClassVar[str] = "Answer"
    HELP: ClassVar[str] = "Answers the call without a sound."

    def enter(self, session: Session, context: Context) -> Outcome:
        return Outcome(session=session, events=(Answer(),), leave="next")
