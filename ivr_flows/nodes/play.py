"""Play a text or an uploaded sound to its end; nothing the caller says or presses cuts it short (notices)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ivr_flows.events import Play
from ivr_flows.nodes.fields import Field, PromptField
from ivr_flows.nodes.node import Context, Node, Outcome, Session
from ivr_flows.spoken_text import tags_in


@dataclass(frozen=True, kw_only=True)
class PlayNode(Node):
    """`text` is what is said, the same to everybody."""

    TITLE: ClassVar[str] = "Play"
    HELP: ClassVar[str] = "Says a fixed text, or plays an uploaded sound, to its end."
    FIELDS: ClassVar[Mapping[str, Field]] = {
        "text": PromptField(title="Text", help="A text without tags, or upload:NAME."),
    }

    text: str

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> None:
        if tags_in(values["text"]):
            raise ValueError("'text': a text with {tags} is for the kind say")

    def enter(self, session: Session, context: Context) -> Outcome:
        return Outcome(session=session, events=(Play(prompts=(self.text,)),), leave="next")
