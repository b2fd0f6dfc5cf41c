"""Buyers and publishers together report sales that never were, many times, and correct them."""

from __future__ import annotations

import datetime as dt

from billing.sales import SaleReported, report_sale
from tests.adversaries.contracts import DOLLAR, VETERANS
from tests.adversaries.draw import Draw
from tests.adversaries.house import House

AMOUNTS = (None, 0, 1, 10_000, 1 * DOLLAR, 50 * DOLLAR, 200 * DOLLAR)


async def reports_a_sale(house: House, draw: Draw) -> None:
    over = [one for one in house.happened.calls.values() if one.over and one.answered_by]
    own = [one for one in over if one.answered_by == VETERANS.name] or over
    if not own:
        return
    call_id, key, amount = draw.pick(own[-4:]).call_id, draw.pick(("a", "b", "c")), draw.pick(AMOUNTS)
    payout = draw.pick((None, None, None, 10_000 * DOLLAR))
    async with house.engine.begin() as connection:
        said = await report_sale(
            connection,
            call_id,
            key=key,
            now=dt.datetime.now(dt.UTC),
            price_micros=amount,
            payout_micros=payout,
        )
    if isinstance(said, SaleReported):
        house.happened.sales.setdefault(call_id, {})[key] = said.price_micros
        if said.payout_micros > said.price_micros:
            house.problems.append(f"a sale pays out more than it brings: {said}")


MOVES = (reports_a_sale, reports_a_sale)
