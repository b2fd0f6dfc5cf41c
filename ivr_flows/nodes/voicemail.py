"""Take a message from the caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ivr_flows.events import VoicemailWait
from ivr_flows.nodes.fields import Field, PromptField, SecondsField
from ivr_flows.nodes.node import Context, Node, Outcome, Session
from ivr_flows.resumes import MessageLeft, Resume

MESSAGE_SECONDS_MAXIMUM = 300


@dataclass(frozen=True, kw_only=True)
class VoicemailNode(Node):
    """Leaves by `left`, or by `nothing` when no message was spoken."""

    TITLE: ClassVar[str] = "Voicemail"
    HELP: ClassVar[str] = "Takes a message after a beep."
    EXITS: ClassVar[tuple[str, ...]] = ("left", "nothing")
    WAITS: ClassVar[bool] = True
    FIELDS: ClassVar[Mapping[str, Field]] = {
        "prompt": PromptField(title="Said first", help="Say that the message is recorded."),
        "maximum_seconds": SecondsField(
            title="Longest message", default=120, least=5, most=MESSAGE_SECONDS_MAXIMUM
        ),
        "silence_seconds": SecondsField(title="Silence that ends it", default=4, least=2, most=15),
    }

    prompt: str
    maximum_seconds: float
    silence_seconds: float

    def enter(self, session: Session, context: Context) -> Outcome:
        wait = VoicemailWait(
            prompts=context.say(self.prompt, session),
            maximum_seconds=self.maximum_seconds,
            silence_seconds=self.silence_seconds,
        )
        return Outcome(session=session, wait=wait)

    def resume(self, session: Session, resume: Resume, context: Context) -> Outcome:
        if not isinstance(resume, MessageLeft):
            raise self._refuse(resume, "MessageLeft")
        return Outcome(session=session, leave="left" if resume.seconds > 0 else "nothing")
