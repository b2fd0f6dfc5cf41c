"""A campaign whose plan is edited."""

from __future__ import annotations

from datetime import date

import pytest_asyncio
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from tests.web.market import Market, add

OPEN = {
    "time_zone": "America/New_York",
    "ranges": [{"days": [0, 1, 2, 3, 4, 5, 6], "from": "08:00", "to": "20:00"}],
}


@pytest_asyncio.fixture
async def sellable(engine: AsyncEngine, market: Market) -> Market:
    """The market with licences in Ohio and open desks, and a plan of one stage: Columbus desk, then Day desk."""
    async with engine.begin() as connection:
        await connection.execute(tables.targets.update().values(schedule=OPEN))
        await connection.execute(
            tables.targets.update()
            .where(tables.targets.c.id == market.closed_id)
            .values(schedule={**OPEN, "ranges": [{"days": [0, 1, 2, 3, 4], "from": "08:00", "to": "17:00"}]})
        )
        buyers = (await connection.execute(tables.buyers.select())).all()
        for buyer in buyers:
            await add(
                connection,
                tables.licences,
                buyer_id=buyer.id,
                nmls_id="123456",
                state="OH",
                product="refinance",
                valid_from=date(2020, 1, 1),
            )
        stage = await add(
            connection, tables.plan_stages, campaign_id=market.campaign_id, position=3, method="priority"
        )
        for priority, target_id in ((1, market.closed_id), (2, market.chosen_id)):
            await connection.execute(
                insert(tables.plan_entries).values(stage_id=stage, target_id=target_id, priority=priority)
            )
    return market
