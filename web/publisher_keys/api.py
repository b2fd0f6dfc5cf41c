"""Publishers' keys for machines."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from router.domain.inbound_bid import RESERVATION_SECONDS_LEAST, RESERVATION_SECONDS_MOST
from web.api.operation import Answered, Asked, Body, Operation, Page, Problem, not_found
from web.keys import EDITORS, HOUSE
from web.publisher_keys import queries
from web.publisher_keys.work import Wanted, end_key, make_key
from web.rtb.publisher_keys import NAME_CHARACTERS_MAXIMUM, RATE_MOST

RATE = 600


class NewKey(Body):
    """A key. `share_percent` is the part of the revenue that is bid; null: what the publisher's terms pay."""

    campaign_id: Annotated[int, Field(ge=1, le=2**63 - 1)]
    dialect: Literal["tollbridge", "ringba", "retreaver"] = "tollbridge"
    rate_per_minute: Annotated[int, Field(ge=0, le=RATE_MOST)] = RATE
    name: Annotated[str, Field(max_length=NAME_CHARACTERS_MAXIMUM)] = ""
    share_percent: Annotated[float, Field(gt=0, le=100)] | None = None
    reservation_seconds: (
        Annotated[int, Field(ge=RESERVATION_SECONDS_LEAST, le=RESERVATION_SECONDS_MOST)] | None
    ) = None

    @property
    def wanted(self) -> Wanted:
        return Wanted(**self.model_dump())


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
        status=201,
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
