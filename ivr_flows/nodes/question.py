"""What all nodes that ask the caller have in common: prompt, retry, attempts, and how long they listen.

What a caller may say or press at every question (operator, repeat, stop calling) is the engine's business.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from ivr_flows.events import Answered, AskWait, Source
from ivr_flows.nodes.fields import Field, PromptField, SecondsField, WholeNumberField
from ivr_flows.nodes.node import Context, Node, Outcome, Session
from ivr_flows.resumes import Heard, HeardOutcome, Resume

ATTEMPTS_MAXIMUM = 5

QUESTION_FIELDS: Mapping[str, Field] = {
    "prompt": PromptField(title="Question", help="Asked first. {tags} are put in."),
    "retry": PromptField(title="Asked again", help="Said at each further attempt: name the keys here."),
    "attempts": WholeNumberField(
        title="Attempts", help="How often it is asked in all.", default=3, least=1, most=ATTEMPTS_MAXIMUM
    ),
    "silence_seconds": SecondsField(
        title="Silence", help="Seconds of silence that count as no answer.", default=3.5
    ),
    "maximum_seconds": SecondsField(title="Longest answer", help="Seconds an answer may take.", default=8.0),
}


@dataclass(frozen=True, kw_only=True)
class QuestionNode(Node):
    """`prompt` is asked first, `retry` each time after; `attempts` counts both. Nobody is ever dropped here."""

    WAITS: ClassVar[bool] = True

    prompt: str
    retry: str
    attempts: int
    silence_seconds: float
    maximum_seconds: float

    def enter(self, session: Session, context: Context) -> Outcome:
        return self._ask(session, context, attempt=1)

    def resume(self, session: Session, resume: Resume, context: Context) -> Outcome:
        if not isinstance(resume, Heard):
            raise self._refuse(resume, "Heard")
        return self._heard(session, resume, context)

    @abstractmethod
    def _wait(self, prompts: tuple[str, ...]) -> AskWait:
        """Return the question itself."""

    @abstractmethod
    def _heard(self, session: Session, heard: Heard, context: Context) -> Outcome:
        """Take the caller's answer, or ask again."""

    def _ask(self, session: Session, context: Context, *, attempt: int) -> Outcome:
        if attempt > self.attempts:
            return self._give_up(session)
        said = context.say(self.prompt, session) if attempt == 1 else self._said_again(session, context)
        wait = self._wait(said)
        asking = replace(session, phase="asking", attempt=attempt, candidates=(), pending={})
        return Outcome(session=asking, wait=wait)

    def _said_again(self, session: Session, context: Context) -> tuple[str, ...]:
        return context.say(self.retry, session)

    def _ask_again(self, session: Session, context: Context) -> Outcome:
        return self._ask(session, context, attempt=session.attempt + 1)

    def _give_up(self, session: Session) -> Outcome:
        return Outcome(session=session, leave="unanswered")

    def _listen(self, prompts: tuple[str, ...], *, grammar: str, keys_maximum: int) -> AskWait:
        return AskWait(
            prompts=prompts,
            grammar=grammar,
            keys_maximum=keys_maximum,
            silence_seconds=self.silence_seconds,
            maximum_seconds=self.maximum_seconds,
        )

    def _answered(
        self, session: Session, tag: str, value: str | None, source: Source, heard: Heard
    ) -> Answered:
        return Answered(
            sequence=session.answers + 1,
            node=self.name,
            tag=tag,
            value=value,
            source=source,
            heard=heard.text or heard.digits,
            confidence=heard.confidence,
            engine=heard.engine,
        )


def source_of(heard: Heard) -> Source:
    """Return how an answer that counts was given."""
    return Source.KEYS if heard.outcome is HeardOutcome.KEYS else Source.SPEECH
