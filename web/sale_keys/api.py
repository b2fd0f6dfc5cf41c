"""Keys by which sales are reported, for machines of the house."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from web.api.operation import Answered, Asked, Body, Operation, Page, Problem
from web.keys import EDITORS, HOUSE
from web.sale_keys import queries
from web.sale_keys.work import make_key, revoke_key

RATE = 120
RATE_MOST = 100_000
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]


class NewSaleKey(Body):
    """A key for postbacks. With a buyer and a campaign it names calls of this campaign that this buyer had."""

    buyer_id: Id | None = None
    campaign_id: Id | None = None
    rate_per_minute: Annotated[int, Field(ge=0, le=RATE_MOST)] = RATE
    name: Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


class SaleKeyShown(BaseModel):
    """A key as it may be shown: never the key itself."""

    id: int
    name: str
    buyer_id: int | None
    buyer: str | None
    campaign_id: int | None
    campaign: str | None
    rate_per_minute: int
    created_at: datetime
    enabled: bool


class SaleKeyMade(BaseModel):
    """The new key. `key` is told here and never again: sales go to `/postback/sale/KEY`."""

    id: int
    key: str


async def _list(asked: Asked) -> Answered | Problem:
    async with asked.engine.connect() as connection:
        found = await queries.all_keys(connection)
    return Answered(content=Page[SaleKeyShown](items=[SaleKeyShown(**key) for key in found]))


async def _make(asked: Asked) -> Answered | Problem:
    made = await make_key(asked.engine, asked.actor, **asked.body.model_dump())
    return made if isinstance(made, Problem) else Answered(content=SaleKeyMade(id=made.id, key=made.key))


async def _revoke(asked: Asked) -> Answered | Problem:
    return await revoke_key(asked.engine, asked.actor, asked.path["id"]) or Answered()


OPERATIONS = (
    Operation(
        method="GET",
        path="/sale-keys",
        name="list_sale_keys",
        summary="List the keys by which sales are reported",
        tag="sales",
        handler=_list,
        roles=HOUSE,
        answer=Page[SaleKeyShown],
    ),
    Operation(
        method="POST",
        path="/sale-keys",
        name="make_sale_key",
        summary="Make a key by which a buyer's or a campaign's sales are reported; it is shown once",
        tag="sales",
        handler=_make,
        roles=EDITORS,
        body=NewSaleKey,
        answer=SaleKeyMade,
        shown_once="revoke the key that nobody knows (GET /sale-keys lists them), then make another with a new key",
        status=201,
    ),
    Operation(
        method="DELETE",
        path="/sale-keys/{id}",
        name="revoke_sale_key",
        summary="Revoke a key by which sales are reported, for good",
        tag="sales",
        handler=_revoke,
        roles=EDITORS,
        status=204,
    ),
)
