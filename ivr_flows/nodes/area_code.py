"""Take the state from the caller's area code, as the guess that it is: people keep their number when they move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ivr_flows.events import Event, Source
from ivr_flows.nodes.fields import Field, TagField
from ivr_flows.nodes.node import Context, Node, Outcome, Session


@dataclass(frozen=True, kw_only=True)
class AreaCodeNode(Node):
    """One state sets the tag; several set `<tag>_candidates`; both are marked in `<tag>_source`.

    A tag the caller has set is not touched: leaves by `found`.
    """

    TITLE: ClassVar[str] = "Area code"
    HELP: ClassVar[str] = "Takes the state from the caller's number, marked as a guess."
    EXITS: ClassVar[tuple[str, ...]] = ("found", "several", "unknown")
    FIELDS: ClassVar[Mapping[str, Field]] = {
        "tag": TagField(title="Tag", default="state"),
    }

    tag: str

    def enter(self, session: Session, context: Context) -> Outcome:
        states = session.caller_states
        if session.tags.get(self.tag):
            return Outcome(session=session, leave="found")
        if not states:
            return Outcome(session=session, leave="unknown")
        events: tuple[Event, ...] = ()
        tag = self.tag if len(states) == 1 else f"{self.tag}_candidates"
        for name, value in ((tag, "-".join(states)), (f"{self.tag}_source", Source.AREA_CODE.value)):
            session, event = self._set_tag(session, name, value, Source.AREA_CODE)
            events += (event,)
        return Outcome(session=session, events=events, leave="found" if len(states) == 1 else "several")

    def tags_set(self) -> frozenset[str]:
        return frozenset({self.tag, f"{self.tag}_source", f"{self.tag}_candidates"})
