"""Say the consent notice, to its end. Recording may only start after it: FACTS 11, all-party consent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from ivr_flows.events import Event, FlowFault, NoticeHeard, NoticeWait, StartRecording
from ivr_flows.nodes.fields import Field, PromptField, YesNoField
from ivr_flows.nodes.node import Context, Node, Outcome, Session
from ivr_flows.resumes import NoticePlayed, Resume


@dataclass(frozen=True, kw_only=True)
class ConsentNoticeNode(Node):
    """With `record` the recording starts when the notice was heard, unless the caller has refused it.

    A notice that could not be played is no notice, nor is one that says nothing, as its tags are not set: the call goes
    on and is not recorded.
    """

    TITLE: ClassVar[str] = "Consent notice"
    HELP: ClassVar[str] = "Says a notice to its end; only then may the call be recorded."
    FIELDS: ClassVar[Mapping[str, Field]] = {
        "text": PromptField(title="Notice", help="Who you are, and that the call may be recorded."),
        "record": YesNoField(title="Record", help="Record the call from here on.", default=True),
    }

    text: str
    record: bool

    def enter(self, session: Session, context: Context) -> Outcome:
        said = context.say(self.text, session)
        return Outcome(session=replace(session, pending={"said": said}), wait=NoticeWait(prompts=said))

    def resume(self, session: Session, resume: Resume, context: Context) -> Outcome:
        if not isinstance(resume, NoticePlayed):
            raise self._refuse(resume, "NoticePlayed")
        said = tuple(session.pending["said"])
        if not resume.complete or not said:
            fault = FlowFault(node=self.name, reason="the notice was not played: the call is not recorded")
            return Outcome(session=session, events=(fault,), leave="next")
        heard: tuple[Event, ...] = (NoticeHeard(node=self.name, prompts=said),)
        if self.record and not session.recording_refused:
            heard += (StartRecording(node=self.name),)
        return Outcome(session=replace(session, notice_heard=True), events=heard, leave="next")
