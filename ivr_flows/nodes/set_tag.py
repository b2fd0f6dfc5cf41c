"""Set a tag to a fixed value or to one made of other tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ivr_flows.events import Source
from ivr_flows.nodes.fields import Field, TagField, TextField
from ivr_flows.nodes.node import TAG_VALUE_MAXIMUM, Context, Node, Outcome, Session
from ivr_flows.spoken_text import filled, tags_in


@dataclass(frozen=True, kw_only=True)
class SetTagNode(Node):
    """`value` may hold {tags}; one without a value leaves nothing in its place."""

    TITLE: ClassVar[str] = "Set tag"
    HELP: ClassVar[str] = "Gives a tag a value."
    FIELDS: ClassVar[Mapping[str, Field]] = {
        "tag": TagField(title="Tag"),
        "value": TextField(title="Value", help="May hold {tags}.", maximum=TAG_VALUE_MAXIMUM),
    }

    tag: str
    value: str

    def enter(self, session: Session, context: Context) -> Outcome:
        session, event = self._set_tag(session, self.tag, filled(self.value, session.tags), Source.FLOW)
        return Outcome(session=session, events=(event,), leave="next")

    def tags_read(self) -> frozenset[str]:
        return tags_in(self.value)
