"""Let the caller wait; a key may lead out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ivr_flows.events import HoldWait
from ivr_flows.nodes.fields import Field, PromptField, SecondsField, TextField
from ivr_flows.nodes.menu import KEYS
from ivr_flows.nodes.node import Context, Node, Outcome, Session
from ivr_flows.resumes import HoldOver, Resume

HOLD_SECONDS_MAXIMUM = 300


@dataclass(frozen=True, kw_only=True)
class HoldNode(Node):
    """Leaves by `over` after `seconds`, or by `key` when `key` was pressed and that exit is there."""

    TITLE: ClassVar[str] = "Hold"
    HELP: ClassVar[str] = "Lets the caller wait for a while."
    EXITS: ClassVar[tuple[str, ...]] = ("over",)
    OPTIONAL_EXITS: ClassVar[tuple[str, ...]] = ("key",)
    WAITS: ClassVar[bool] = True
    FIELDS: ClassVar[Mapping[str, Field]] = {
        "text": PromptField(title="Said first", default=""),
        "seconds": SecondsField(title="Seconds", default=20, least=1, most=HOLD_SECONDS_MAXIMUM),
        "key": TextField(title="Key that ends it", default="", maximum=1),
    }

    text: str
    seconds: float
    key: str

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> None:
        if values["key"] and not KEYS.fullmatch(values["key"]):
            raise ValueError("'key' must be one key: 0 to 9 or *")

    def enter(self, session: Session, context: Context) -> Outcome:
        keys = self.key if "key" in self.exits else ""
        wait = HoldWait(prompts=context.say(self.text, session), seconds=self.seconds, keys=keys)
        return Outcome(session=session, wait=wait)

    def resume(self, session: Session, resume: Resume, context: Context) -> Outcome:
        if not isinstance(resume, HoldOver):
            raise self._refuse(resume, "HoldOver")
        left = self.key and resume.digits == self.key and "key" in self.exits
        return Outcome(session=session, leave="key" if left else "over")
