"""Hand the call to the router. When somebody will be rung the flow has ended; the dialplan goes on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ivr_flows.events import RouteWait
from ivr_flows.nodes.node import Context, Node, Outcome, Session
from ivr_flows.resumes import Resume, Routed


@dataclass(frozen=True, kw_only=True)
class RouteNode(Node):
    """Leaves by `no_buyer` when nobody may take the call."""

    TITLE: ClassVar[str] = "Route"
    HELP: ClassVar[str] = "Finds a buyer for the call by what is known of it."
    EXITS: ClassVar[tuple[str, ...]] = ("no_buyer",)
    ENDS: ClassVar[bool] = True

    def enter(self, session: Session, context: Context) -> Outcome:
        return Outcome(session=session, wait=RouteWait())

    def resume(self, session: Session, resume: Resume, context: Context) -> Outcome:
        if not isinstance(resume, Routed):
            raise self._refuse(resume, "Routed")
        if resume.found:
            return Outcome(session=replace(session, ended=True))
        return Outcome(session=session, leave="no_buyer")
