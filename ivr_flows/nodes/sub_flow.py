"""Go through another flow and come back. Which version is settled when this flow is published, and stays with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from ivr_flows.nodes.fields import Field, TextField
from ivr_flows.nodes.node import Context, Node, Outcome, Session


@dataclass(frozen=True, kw_only=True)
class SubFlowNode(Node):
    """Leaves by `next` when the other flow comes to its kind `return`. Tags are shared."""

    TITLE: ClassVar[str] = "Sub-flow"
    HELP: ClassVar[str] = "Goes through another published flow, then on from here."
    FIELDS: ClassVar[Mapping[str, Field]] = {
        "flow": TextField(title="Flow", help="The name of a published flow.", maximum=60),
    }

    flow: str

    def enter(self, session: Session, context: Context) -> Outcome:
        return Outcome(session=replace(session, stack=(*session.stack, self.name)), into=self.flow)
