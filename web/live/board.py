"""A call that is going on, as the live board shows it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from web.keys import EDITORS, Role
from web.visibility import Viewer


class Stage(StrEnum):
    """How far a call is."""

    ARRIVED = "arrived"
    FLOW = "flow"
    RINGING = "ringing"
    SEEKING = "seeking"
    """Decided, and nobody rings: the last one did not take it, or nobody was there to take it."""
    TALKING = "talking"


STAGES: Mapping[Stage, str] = {
    Stage.ARRIVED: "Arrived",
    Stage.FLOW: "In the flow",
    Stage.RINGING: "Ringing",
    Stage.SEEKING: "Looking for a buyer",
    Stage.TALKING: "Talking",
}

WAITS: Mapping[str, str] = {
    "ask": "asked",
    "notice": "hears the notice",
    "hold": "on hold",
    "voicemail": "leaves a message",
    "transfer": "put through to a number",
    "web_hook": "a web hook is asked",
}


@dataclass(frozen=True, kw_only=True)
class LiveCall:
    """One call between its INVITE and its end. `since` is when its stage began."""

    id: UUID
    started_at: datetime
    caller: str | None
    dialled: str
    campaign: str | None
    publisher: str | None
    stage: Stage
    since: datetime
    node: str = ""
    """The flow's node it waits at."""
    waits_for: str = ""
    answers: tuple[tuple[str, str], ...] = ()
    """(tag, value) so far, in order."""
    attempt: int = 0
    buyer: str | None = None
    target: str | None = None

    @property
    def may_be_whispered_to(self) -> bool:
        return self.stage is Stage.TALKING


@dataclass(frozen=True, kw_only=True)
class Marks:
    """The last thing each witness has told of a call: moments, None where there is none."""

    waiting_at: datetime | None = None
    decided_at: datetime | None = None
    offered: bool = False
    """Whether the last decision found somebody."""
    rung_at: datetime | None = None
    """When the last ringing ended without a talk."""
    talking_at: datetime | None = None
    """When a buyer's leg and the caller were joined; None when they are not."""


def stage_of(started_at: datetime, marks: Marks) -> tuple[Stage, datetime]:
    """Return how far a call is and since when: the newest mark says so."""
    if marks.talking_at is not None:
        return Stage.TALKING, marks.talking_at
    told: list[tuple[datetime, Stage]] = [(started_at, Stage.ARRIVED)]
    if marks.waiting_at is not None:
        told.append((marks.waiting_at, Stage.FLOW))
    if marks.decided_at is not None:
        told.append((marks.decided_at, Stage.RINGING if marks.offered else Stage.SEEKING))
    if marks.rung_at is not None:
        told.append((marks.rung_at, Stage.SEEKING))
    at, stage = max(told, key=lambda one: one[0])
    return stage, at


class Audience(StrEnum):
    """Who a board is drawn for: once for all of a kind."""

    EDITORS = "editors"
    """They may listen, hang up and block, and see the whole number."""
    ANALYSTS = "analysts"


def audience_of(role: Role) -> Audience:
    return Audience.EDITORS if role in EDITORS else Audience.ANALYSTS


def viewer_of_audience(audience: Audience) -> Viewer:
    return Viewer(role=Role.MANAGER if audience is Audience.EDITORS else Role.ANALYST)


def to_json(call: LiveCall, audience: Audience) -> dict[str, Any]:
    """Return a call for machines: ISO moments, no more of the number than the audience may see."""
    viewer = viewer_of_audience(audience)
    return {
        "id": str(call.id),
        "started_at": call.started_at.isoformat(),
        "caller": viewer.caller(call.caller),
        "dialled": call.dialled,
        "campaign": call.campaign,
        "publisher": call.publisher,
        "stage": str(call.stage),
        "since": call.since.isoformat(),
        "flow_node": call.node,
        "waits_for": call.waits_for,
        "answers": [{"tag": tag, "value": viewer.words(value)} for tag, value in call.answers],
        "attempt": call.attempt,
        "buyer": call.buyer,
        "target": call.target,
    }
