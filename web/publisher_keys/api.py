"""Publishers' keys for machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from router.domain.inbound_bid import RESERVATION_SECONDS_LEAST, RESERVATION_SECONDS_MOST
from router.domain.ping_limits import (
    LIMIT_NAMES,
    OPEN_MOST_HIGHEST,
    PINGS_PER_CALL_HIGHEST,
    USUAL_LIMITS,
    PingLimits,
    PingRecord,
)
from web.api.operation import Answered, Asked, Body, Operation, Page, Problem, not_found
from web.keys import EDITORS, HOUSE
from web.publisher_keys import queries
from web.publisher_keys.work import Wanted, change_limits, end_key, make_key
from web.rtb.publisher_keys import NAME_CHARACTERS_MAXIMUM, RATE_MOST

RATE = 600

OpenMost = Annotated[int, Field(ge=1, le=OPEN_MOST_HIGHEST)]
RoomShare = Annotated[int, Field(ge=1, le=100)]
PingsPerCall = Annotated[int, Field(ge=1, le=PINGS_PER_CALL_HIGHEST)]


class NewKey(Body):
    """A key. `share_percent` is the part of the revenue that is bid; null: what the publisher's terms pay.

    `open_most` reservations of the publisher may wait for their calls at once, with all its keys; they hold at most
    `room_share_percent` of a target's room and of a buyer's money.
    """

    campaign_id: Annotated[int, Field(ge=1, le=2**63 - 1)]
    dialect: Literal["tollbridge", "ringba", "retreaver"] = "tollbridge"
    rate_per_minute: Annotated[int, Field(ge=0, le=RATE_MOST)] = RATE
    name: Annotated[str, Field(max_length=NAME_CHARACTERS_MAXIMUM)] = ""
    share_percent: Annotated[float, Field(gt=0, le=100)] | None = None
    reservation_seconds: (
        Annotated[int, Field(ge=RESERVATION_SECONDS_LEAST, le=RESERVATION_SECONDS_MOST)] | None
    ) = None

    open_most: OpenMost = USUAL_LIMITS.open_most
    room_share_percent: RoomShare = USUAL_LIMITS.room_share_percent
    pings_per_call: PingsPerCall = USUAL_LIMITS.pings_per_call

    @property
    def wanted(self) -> Wanted:
        values = self.model_dump()
        limits = PingLimits(**{name: values.pop(name) for name in LIMIT_NAMES})
        return Wanted(**values, limits=limits)


class KeyLimits(Body):
    """What a key may hold from now on. What is not named stays as it is."""

    open_most: OpenMost | None = None
    room_share_percent: RoomShare | None = None
    pings_per_call: PingsPerCall | None = None


class KeyShown(BaseModel):
    """A key as it may be shown: never the key itself."""

    id: int
    name: str
    campaign_id: int
    campaign: str
    dialect: str
    rate_per_minute: int
    share_percent: float | None
    reservation_seconds: int | None
    open_most: int
    room_share_percent: int
    pings_per_call: int
    pings_won: int
    """Pings of the last 7 days that held room and are over."""
    pings_called: int
    """Those of them on which a call came."""
    warned_at: datetime | None
    """Since when there are too many pings for each call; null: there are not."""
    binds_at: datetime | None
    """From when on one reservation at a time may be open, unless enough calls come."""
    created_at: datetime
    enabled: bool


class KeyMadeShown(BaseModel):
    """The new key. `key` is told here and never again."""

    id: int
    key: str


def shown(key: Mapping[str, Any]) -> KeyShown:
    """Return a stored key as the API tells it."""
    settings = key["settings"]
    share = settings.get("share_ppm")
    return KeyShown(
        **{name: value for name, value in key.items() if name != "settings"},
        share_percent=None if share is None else share / 10_000,
        reservation_seconds=settings.get("reservation_seconds"),
        binds_at=PingRecord(warned_at=key["warned_at"]).binds_at(),
        **asdict(PingLimits.of_settings(settings)),
    )


async def _list(asked: Asked) -> Answered | Problem:
    async with asked.engine.connect() as connection:
        if await queries.publisher_name(connection, asked.path["id"]) is None:
            return not_found("publisher")
        found = await queries.keys_of(connection, asked.path["id"])
    return Answered(content=Page[KeyShown](items=[shown(key) for key in found]))


async def _make(asked: Asked) -> Answered | Problem:
    made = await make_key(asked.engine, asked.actor, asked.path["id"], asked.body.wanted)
    return made if isinstance(made, Problem) else Answered(content=KeyMadeShown(id=made.id, key=made.key))


async def _change_limits(asked: Asked) -> Answered | Problem:
    limits = asked.body.model_dump(exclude_none=True)
    changed = await change_limits(asked.engine, asked.actor, asked.path["id"], asked.path["key_id"], limits)
    return changed if isinstance(changed, Problem) else Answered(content=shown(changed))


async def _revoke(asked: Asked) -> Answered | Problem:
    problem = await end_key(asked.engine, asked.actor, asked.path["id"], asked.path["key_id"])
    return problem or Answered()


OPERATIONS = (
    Operation(
        method="GET",
        path="/publishers/{id}/keys",
        name="list_publisher_keys",
        summary="List the keys by which a publisher asks for bids",
        tag="publisher-keys",
        handler=_list,
        roles=HOUSE,
        answer=Page[KeyShown],
    ),
    Operation(
        method="POST",
        path="/publishers/{id}/keys",
        name="make_publisher_key",
        summary="Make a key by which a publisher asks for bids; it is shown once",
        tag="publisher-keys",
        handler=_make,
        roles=EDITORS,
        body=NewKey,
        answer=KeyMadeShown,
        shown_once="revoke the key that nobody knows (GET /publishers/{id}/keys lists them), make another",
        status=201,
    ),
    Operation(
        method="PATCH",
        path="/publishers/{id}/keys/{key_id}",
        name="change_publisher_key_limits",
        summary="Change what the pings of a publisher's key may hold",
        tag="publisher-keys",
        handler=_change_limits,
        roles=EDITORS,
        body=KeyLimits,
        answer=KeyShown,
    ),
    Operation(
        method="DELETE",
        path="/publishers/{id}/keys/{key_id}",
        name="revoke_publisher_key",
        summary="Revoke a publisher's key for good",
        tag="publisher-keys",
        handler=_revoke,
        roles=EDITORS,
        status=204,
    ),
)
