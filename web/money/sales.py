"""Sales reported days after their call, by whoever holds a token for it: each key once, and correctable."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.sales import MAXIMUM_KEY_CHARACTERS, SaleRefused, SaleReported, report_sale
from web.api.operation import Answered, Asked, Body, Operation, Problem, conflict
from web.audit import Actor, write_audit
from web.keys import EDITORS

Micros = Annotated[int, Field(ge=0, le=10**15)]


class NewSale(Body):
    """A sale that came of a call. Without amounts the call's terms say what it earns; 0 withdraws it."""

    call_id: Annotated[UUID, Field(strict=False)]
    key: Annotated[str, Field(min_length=1, max_length=MAXIMUM_KEY_CHARACTERS)]
    price_micros: Micros | None = None
    payout_micros: Micros | None = None


class SaleShown(BaseModel):
    """What stands now. `new` false: the same was reported before, and nothing was written.

    `publisher_owes_micros`: what the publisher owes us now, because it was paid before this was taken back.
    """

    version: int
    price_micros: int
    payout_micros: int
    new: bool
    publisher_owes_micros: int


async def record_sale(
    connection: AsyncConnection,
    actor: Actor,
    call_id: UUID,
    *,
    key: str,
    now: datetime,
    price_micros: int | None = None,
    payout_micros: int | None = None,
    by_house: bool = False,
) -> SaleReported | SaleRefused:
    """Post what a sale earns, and note who reported it: by API, command or postback. The caller commits."""
    done = await report_sale(
        connection,
        call_id,
        key=key,
        now=now,
        price_micros=price_micros,
        payout_micros=payout_micros,
        by_house=by_house,
    )
    if isinstance(done, SaleReported) and done.new:
        said = {"key": key, **_shown(done).model_dump()}
        await write_audit(connection, actor, action="sale", kind="calls", ref=call_id, after=said)
    return done


def _shown(done: SaleReported) -> SaleShown:
    return SaleShown(
        version=done.version,
        price_micros=done.price_micros,
        payout_micros=done.payout_micros,
        new=done.new,
        publisher_owes_micros=done.publisher_owes_micros,
    )


async def _report(asked: Asked) -> Answered | Problem:
    body = asked.body
    async with asked.engine.begin() as connection:
        done = await record_sale(
            connection,
            asked.actor,
            body.call_id,
            key=body.key,
            now=asked.now,
            price_micros=body.price_micros,
            payout_micros=body.payout_micros,
            by_house=True,
        )
    return conflict(done.reason) if isinstance(done, SaleRefused) else Answered(content=_shown(done))


OPERATIONS: Sequence[Operation] = (
    Operation(
        method="POST",
        path="/sales",
        name="report_sale",
        summary="Report a sale that came of a call, correct it, or withdraw it",
        tag="sales",
        handler=_report,
        roles=EDITORS,
        body=NewSale,
        answer=SaleShown,
    ),
)
