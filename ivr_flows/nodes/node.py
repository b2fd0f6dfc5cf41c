"""The contract of a node kind, and every value that passes between a node and the engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar, Self

from ivr_flows import answers
from ivr_flows.events import Event, FlowFault, Source, TagSet, Wait
from ivr_flows.nodes.fields import Field, PromptField, TagField
from ivr_flows.resumes import Resume
from ivr_flows.spoken_text import fixed_pieces, prompts_of, tags_in
from rules.call_tags import FLOW_TAGS_BYTES_MAXIMUM, bytes_of

TAG_VALUE_MAXIMUM = 200


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why a flow cannot be right, with the node it is about."""

    node: str
    text: str

    def __str__(self) -> str:
        return f"node {self.node!r}: {self.text}" if self.node else self.text


@dataclass(frozen=True, kw_only=True)
class Session:
    """Where one call is in its flow. Plain data: it survives JSON between every resume (engine.dump_session).

    `phase`, `attempt`, `repeats`, `candidates`, `pending` and `question` belong to the node the session stands at and
    are fresh at every new node. `stack` names the sub-flow nodes that lead to the flow `node` is in.
    """

    node: str
    id: str = ""
    flow: str = ""
    version: int = 1
    started_ms: int = 0
    caller: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    caller_states: tuple[str, ...] = ()
    stack: tuple[str, ...] = ()
    answers: int = 0
    phase: str = ""
    attempt: int = 1
    repeats: int = 0
    candidates: tuple[str, ...] = ()
    pending: Mapping[str, Any] = field(default_factory=dict)
    question: Mapping[str, Any] = field(default_factory=dict)
    """The AskWait the caller was asked last, to be repeated."""
    steps: int = 0
    notice_heard: bool = False
    recording_refused: bool = False
    giving_up: bool = False
    ended: bool = False

    def with_tag(self, tag: str, value: str) -> Session:
        return replace(self, tags={**self.tags, tag: value})

    def has_room_for(self, tag: str, value: str) -> bool:
        """Say whether the tag still fits: all of them travel with the call."""
        return (
            len(value) <= TAG_VALUE_MAXIMUM and bytes_of({**self.tags, tag: value}) <= FLOW_TAGS_BYTES_MAXIMUM
        )


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a node may know beside its settings and the session. `now` is aware."""

    now: datetime
    spoken_as: Mapping[str, str] = field(default_factory=dict)
    """Tag -> the grammar its values are read back by."""

    def say(self, text: str, session: Session) -> tuple[str, ...]:
        """Return the prompts that say `text` with the session's tags in it."""
        return prompts_of(text, session.tags, self._speak)

    def _speak(self, tag: str, value: str) -> tuple[str, ...]:
        return answers.spoken(self.spoken_as.get(tag, ""), value)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What entering or resuming a node came to.

    Exactly one of these holds: it waits (`wait`), it leaves by an exit (`leave`), it goes into a sub-flow (`into`) or
    back out of one (`back`), or the session has ended.
    """

    session: Session
    events: tuple[Event, ...] = ()
    wait: Wait | None = None
    leave: str | None = None
    into: str | None = None
    back: bool = False


class KeysRead(Enum):
    """What keys mean to the question a node asks."""

    ANSWER = "answer"
    BEGINNING = "beginning"
    NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class Node(ABC):
    """A node's settings and how it behaves. Subclasses are frozen dataclasses with one attribute for each of FIELDS."""

    TITLE: ClassVar[str]
    HELP: ClassVar[str]
    FIELDS: ClassVar[Mapping[str, Field]] = {}
    EXITS: ClassVar[tuple[str, ...]] = ("next",)
    OPTIONAL_EXITS: ClassVar[tuple[str, ...]] = ()
    OWN_EXITS: ClassVar[str] = ""
    """The setting whose entries are exits too, '' when none is."""
    WAITS: ClassVar[bool] = False
    """Whether time passes here: a loop of nodes that do not wait would never end."""
    ENDS: ClassVar[bool] = False
    """Whether a call's flow may end here."""

    name: str
    exits: Mapping[str, str]

    @classmethod
    def parse(cls, name: str, settings: Mapping[str, Any]) -> Self:
        """Return the node. Raises ValueError, KeyError or TypeError with a sentence for the admin."""
        refuse_unknown(settings, *cls.FIELDS, *(("exits",) if cls.has_exits() else ()))
        values = {key: setting.of(settings, key) for key, setting in cls.FIELDS.items()}
        cls.check(values)
        labels = (*cls.own_exits(values), *cls.EXITS)
        exits = exits_of(settings, *labels, optional=cls.OPTIONAL_EXITS) if cls.has_exits() else {}
        return cls(name=name, exits=exits, **values)

    @classmethod
    def has_exits(cls) -> bool:
        return bool(cls.EXITS or cls.OPTIONAL_EXITS or cls.OWN_EXITS)

    @classmethod
    def own_exits(cls, values: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the exits that the settings name."""
        return tuple(values[cls.OWN_EXITS]) if cls.OWN_EXITS else ()

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> None:
        """Raise ValueError when settings that are right one by one do not go together."""
        return

    @abstractmethod
    def enter(self, session: Session, context: Context) -> Outcome:
        """Called when the flow reaches the node."""

    def resume(self, session: Session, resume: Resume, context: Context) -> Outcome:
        """Called with the answer to this node's wait."""
        raise TypeError(f"{type(self).__name__} does not wait")

    def reads_keys(self, session: Session, digits: str) -> KeysRead:
        """Say whether `digits` answer the question asked now, or could begin an answer."""
        return KeysRead.NOTHING

    def texts(self) -> frozenset[str]:
        """Every fixed prompt this node may ever play: they are rendered before the flow is published."""
        return frozenset[str]().union(*(fixed_pieces(text) for text in self._prompts()))

    def tags_spoken(self) -> frozenset[str]:
        """Return the tags whose values are said here."""
        return frozenset[str]().union(*(tags_in(text) for text in self._prompts()))

    def tags_read(self) -> frozenset[str]:
        """Return the tags that this node asks for."""
        return self.tags_spoken()

    def tags_set(self) -> frozenset[str]:
        """Return the tags that may have a value after this node."""
        named = (getattr(self, key) for key, setting in self.FIELDS.items() if isinstance(setting, TagField))
        return frozenset(tag for tag in named if tag)

    def _prompts(self) -> tuple[str, ...]:
        return tuple(
            getattr(self, key) for key, setting in self.FIELDS.items() if isinstance(setting, PromptField)
        )

    def _set_tag(self, session: Session, tag: str, value: str, source: Source) -> tuple[Session, Event]:
        """Return the session with the tag and the event that says so, or says that it has no room."""
        if not session.has_room_for(tag, value):
            return session, FlowFault(node=self.name, reason=f"the tag {tag} is too long or one too many")
        return session.with_tag(tag, value), TagSet(node=self.name, tag=tag, value=value, source=source)

    def _refuse(self, resume: Resume, wanted: str) -> TypeError:
        return TypeError(f"{type(self).__name__} waits for {wanted}, not {type(resume).__name__}")


def exits_of(settings: Mapping[str, Any], *labels: str, optional: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the named exits, each leading to a node's name. Raises ValueError when one is missing or unknown."""
    exits = settings.get("exits")
    if not isinstance(exits, dict) or not set(labels) <= set(exits) <= {*labels, *optional}:
        more = f" (and, if wanted, {', '.join(optional)})" if optional else ""
        raise ValueError(f"'exits' must name exactly: {', '.join(labels)}{more}")
    nameless = [label for label, to in exits.items() if not isinstance(to, str)]
    if nameless:
        raise ValueError(f"'exits.{nameless[0]}' must be the name of a node")
    return dict(exits)


def refuse_unknown(settings: Mapping[str, Any], *known: str) -> None:
    """Raise ValueError for a setting that this kind does not have: most are typing errors."""
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ValueError(f"unknown setting {unknown[0]!r}; known: {', '.join(known) or 'none'}")
