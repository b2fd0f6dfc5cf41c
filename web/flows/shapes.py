"""What the API and the editor say to each other about flows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field, field_validator

from ivr_flows.definition import FLOW_BYTES_MAXIMUM
from ivr_flows.publishing import NOTE_MAXIMUM
from ivr_flows.trial import LINES_MAXIMUM
from web.api.operation import Body, Query

BODY_BYTES_MAXIMUM = 3 * FLOW_BYTES_MAXIMUM
"""A flow written with every letter escaped, and what comes with it."""
TEXT_MAXIMUM = 2_000

Definition = dict[str, Any]


class FindingShown(Body):
    """What is wrong with a flow. An `error` blocks publishing, a `warning` does not; `node` is empty for the whole."""

    severity: str
    code: str
    node: str
    text: str


class FlowShown(Body):
    """One flow in the list. `version` is 0 when it was never published."""

    name: str
    version: int
    published_at: datetime | None
    draft_revision: int | None
    draft_changed_at: datetime | None
    draft_changed_by: str
    campaigns: tuple[str, ...]


class VersionShown(Body):
    """One published version."""

    version: int
    published_at: datetime | None
    published_by: str
    note: str


class FlowDetails(Body):
    """One flow: its published versions, newest first, and its draft's revision (null: none)."""

    name: str
    versions: list[VersionShown]
    draft_revision: int | None


class DraftShown(Body):
    """A flow at work on. `revision` is 0 when there is no draft yet and `definition` is the newest version's."""

    name: str
    definition: Definition
    revision: int
    based_on: int
    changed_at: datetime | None
    changed_by: str
    newest_version: int
    findings: list[FindingShown]


class VersionDefinition(Body):
    """A published version as people edit it, without the sub-flows that publishing put in."""

    name: str
    version: int
    definition: Definition


class SavedShown(Body):
    """A draft was saved."""

    name: str
    revision: int
    findings: list[FindingShown]


class PublishedShown(Body):
    """What new callers meet from now on."""

    name: str
    version: int
    findings: list[FindingShown]


class DifferenceShown(Body):
    """One place that differs. `before` and `after` are JSON, empty where there is nothing."""

    change: str
    place: str
    before: str
    after: str


class NewFlow(Body):
    """A flow to begin with; its name is the definition's unless given."""

    definition: Definition
    name: str = Field(default="", max_length=100)


class DraftBody(Body):
    """A definition, right or wrong as it may be."""

    definition: Definition


class CheckBody(Body):
    """A definition to be looked over as the flow `name`; nothing is kept."""

    name: str = Field(max_length=100)
    definition: Definition


class PublishBody(Body):
    """`revision` is the draft that was looked at; one that was changed since is not published."""

    note: str = Field(default="", max_length=NOTE_MAXIMUM)
    revision: int | None = Field(default=None, ge=0)


class RollBackBody(Body):
    """The version to go back to."""

    version: int = Field(ge=1, le=2**31 - 1)


class DifferenceQuery(Query):
    """Version numbers; 0 is the newest version, and nothing for `after` the draft."""

    before: int = Field(default=0, ge=0, le=2**31 - 1)
    after: int | None = Field(default=None, ge=0, le=2**31 - 1)


class TryBody(Body):
    """A call played by hand: who calls and when, and what they type, from the call's beginning."""

    name: str = Field(max_length=100)
    definition: Definition
    caller: str = Field(default="", max_length=40)
    at: datetime | None = None
    tags: dict[str, str] = Field(default_factory=dict, max_length=50)
    lines: list[str] = Field(default_factory=list, max_length=LINES_MAXIMUM)

    @field_validator("at")
    @classmethod
    def _of_our_time(cls, at: datetime | None) -> datetime | None:
        """Wall clocks have to be worked out around it, which no calendar does at its ends."""
        if at is not None and not 2000 <= at.year < 2100:
            raise ValueError("must lie between the years 2000 and 2099")
        return at


class PassedShown(Body):
    """A node the call came through, and by which exit it left it."""

    node: str
    exit: str


class TurnShown(Body):
    """What came of one line. `events` and `wait` are as in case files."""

    line: str
    events: list[dict[str, Any]]
    way: list[PassedShown]
    node: str
    tags: dict[str, str]
    wait: dict[str, Any] | None
    help: str
    ended: bool


class TrialShown(Body):
    """The call so far. `problem` is why the next line cannot be an answer."""

    turns: list[TurnShown]
    problem: str
    findings: list[FindingShown]


class SoundBody(Body):
    """A prompt as a node holds it."""

    text: str = Field(max_length=TEXT_MAXIMUM)


class SoundShown(Body):
    """One piece of a prompt. `address` is empty while it is not rendered yet; a tag's place has none."""

    text: str
    address: str
