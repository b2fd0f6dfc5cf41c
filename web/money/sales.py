"""Sales reported days after their call, by whoever holds a token for it: each key once, and correctable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from billing.sales import MAXIMUM_KEY_CHARACTERS, SaleRefused, report_sale
from web.api.operation import Answered, Asked, Body, Operation, Problem, conflict
from web.audit import write_audit
from web.keys import EDITORS

Micros = Annotated[int, Field(ge=0, le=10**15)]


class NewSale(Body):
    """A sale that came of a call. Without amounts the call's terms say what it earns; 0 withdraws it."""

    call_id: Annotated[UUID, Field(strict=False)]
    key: Annotated[str, Field(min_length=1, max_length=MAXIMUM_KEY_CHARACTERS)]
    price_micros: Micros | None = None
    payout_micros: Micros | None = None


class SaleShown(BaseModel):
    """What stands now. `new` false: the same was reported before, and nothing was written."""

    version: int
    price_micros: int
    payout_micros: int
    new: bool


async def _report(asked: Asked) -> Answered | Problem:
    body = asked.body
    async with asked.engine.begin() as connection:
        done = await report_sale(
            connection,
            body.call_id,
            key=body.key,
            now=asked.now,
            price_micros=body.price_micros,
            payout_micros=body.payout_micros,
        )
        if isinstance(done, SaleRefused):
            return conflict(done.reason)
        shown = SaleShown(
            version=done.version,
            price_micros=done.price_micros,
            payout_micros=done.payout_micros,
            new=done.new,
        )
        if done.new:
            said = {"key": body.key, **shown.model_dump()}
            await write_audit(
                connection, asked.actor, action="sale", kind="calls", ref=body.call_id, after=said
            )
    return Answered(content=shown)


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
