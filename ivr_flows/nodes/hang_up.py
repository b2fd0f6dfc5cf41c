"""End the call."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ivr_flows.events import HangUp
from ivr_flows.nodes.node import Context, Node, Outcome, Session


@dataclass(frozen=True, kw_only=True)
class HangUpNode(Node):
    """Has no settings and no exits."""

    TITLE: ClassVar[str] = "Hang up"
    HELP: ClassVar[str] = "Ends the call."
    EXITS: ClassVar[tuple[str, ...]] = ()
    ENDS: ClassVar[bool] = True

    def enter(self, session: Session, context: Context) -> Outcome:
        return Outcome(session=replace(session, ended=True), events=(HangUp(),))
