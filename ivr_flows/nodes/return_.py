"""The end of a sub-flow: back to the flow that went into it. In a flow of its own it ends the call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ivr_flows.nodes.node import Context, Node, Outcome, Session


@dataclass(frozen=True, kw_only=True)
class ReturnNode(Node):
    """Has no settings and no exits."""

    TITLE: ClassVar[str] = "Return"
    HELP: ClassVar[str] = "Ends a sub-flow: the call goes on where it was entered."
    EXITS: ClassVar[tuple[str, ...]] = ()
    ENDS: ClassVar[bool] = True

    def enter(self, session: Session, context: Context) -> Outcome:
        return Outcome(session=session, back=True)
