"""What the carriers take for telephone numbers, a month at a time, on the calendar of UTC."""

from __future__ import annotations

import datetime as dt

from sqlalchemy.ext.asyncio import AsyncConnection

from billing import ledger
from billing.carrier_cost import months_of
from billing.number_cost_queries import Rented, rented_numbers
from billing.post_once import Posted, post_once

NUMBER_COST = "number_month"
AT_ONCE = 1_000
"""Months in one transaction of the database."""


async def post_number_costs(connection: AsyncConnection, now: dt.datetime) -> int:
    """Post every month of every number that has begun and is not posted yet; return how many. The caller commits."""
    count = 0
    for number in await rented_numbers(connection, now.date(), limit=AT_ONCE):
        for month in months_of(number.rented_from, number.rented_to, now.date()):
            count += await _post_month(connection, number, month)
            if count >= AT_ONCE:
                return count
    return count


async def _post_month(connection: AsyncConnection, number: Rented, month: dt.date) -> bool:
    kind = f"{NUMBER_COST}:{number.id}:{month:%Y-%m}"
    if kind in number.posted:
        return False
    posted = await post_once(
        connection,
        kind=kind,
        postings=ledger.moved(
            to=ledger.CARRIER_COST,
            from_=ledger.carrier_payable(number.carrier_name),
            amount_micros=number.monthly_cost_micros,
        ),
        detail={"number": number.e164, "month": f"{month:%Y-%m}"},
    )
    return isinstance(posted, Posted) and posted.new
