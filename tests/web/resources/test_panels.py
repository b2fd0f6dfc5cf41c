"""What stands beside a row: is it open, how full are its caps, what is left, which licences end."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from router.domain.caps import period_start
from rules.schedule import local_time
from store import tables
from tests.web.market import Market
from tests.web.resources.conftest import Machine
from tests.web.resources.samples import ALWAYS
from web.resources.buyer_panel import summary_of
from web.resources.licences import standing

TODAY = date(2026, 11, 24)


async def test_a_buyer_and_its_targets_now(machine: Machine, market: Market, engine: AsyncEngine) -> None:
    async def page(path: str) -> str:
        async with machine.client.get(path) as answer:
            assert answer.status == 200
            return await answer.text()

    buyer, target, now = f"/buyers/{market.buyer_id}", f"/targets/{market.chosen_id}", datetime.now(UTC)
    found = await page(buyer)
    assert "Closed" in found
    assert "None: no call can go to it" in found
    assert "never opens" in await page(target)
    day = {"kind": "conversions", "period": "day", "at_most": 3}
    full = await machine.make("/caps", {**day, "buyer_id": market.buyer_id})
    money = {"kind": "revenue", "period": "total", "at_most_micros": 90_000_000}
    await machine.make("/caps", {**money, "target_id": market.chosen_id})
    group = await machine.make("/cap-groups", {"name": "Office", "target_ids": [market.chosen_id]})
    await machine.make("/caps", {"kind": "spacing", "at_most": 30, "group_id": group})
    start = period_start("day", local_time(now, "America/New_York"))
    counted = {
        f"buyer:{market.buyer_id}:conversions:day": (3, start),
        f"target:{market.chosen_id}:revenue:total": (45_000_000, 0),
        f"target:{market.chosen_id}:concurrency": (1, 0),
        # Of a day that is over: it counts as nought.
        f"buyer:{market.buyer_id}:conversions:month": (99, 1),
    }
    async with engine.begin() as connection:
        for key, (used, began) in counted.items():
            row = {"key": key, "used": used, "period_start": began}
            await connection.execute(insert(tables.cap_counters).values(row))
        await connection.execute(update(tables.targets).values(schedule=ALWAYS | _every_day()))
    for path in (buyer, target):
        found = await page(path)
        assert f'<a href="/caps/{full}">Buyer Buckeye Lending</a>: 3 of 3 conversions this day' in found
        assert found.count(">full</span>") == 1
        assert "$45.00 of $90.00 revenue ever" in found
        assert "no call yet, at least 30 s between two" in found
        assert "1 of 1" in found
        assert "Open" in found
    found = await page("/caps")
    assert '<span class="badge not_answered">3 of 3 conversions this day of the buyer</span>' in found
    assert "$90.00" in found
    async with engine.begin() as connection:
        await connection.execute(update(tables.targets).values(paused_at=now))
        await connection.execute(update(tables.buyers).values(prepaid=True, credit_limit_micros=0))
        await connection.execute(update(tables.caps).values(owner_id=999_999))
    found = await page(buyer)
    assert "Paused by the buyer" in found
    assert "empty: no calls" in found
    assert "buyer 999999" in await page("/caps"), "an owner that is gone breaks nothing"


def _every_day() -> dict[str, object]:
    return {"ranges": [{"days": list(range(7)), "from": "00:00", "to": "24:00"}]}


def test_licences_in_short() -> None:
    def row(state: str, last: date | None, product: str = "refinance") -> dict[str, object]:
        return {"state": state, "product": product, "valid_from": date(2026, 1, 1), "valid_to": last}

    soon, later = TODAY + timedelta(days=20), TODAY + timedelta(days=300)
    rows = [row("OH", soon), row("OH", later), row("MI", soon), row("KY", date(2026, 2, 1)), row("IN", None)]
    assert summary_of([*rows, row("IN", soon)], TODAY) == [
        {"product": "refinance", "states": 3, "ending": ["MI"]}
    ]
    assert summary_of([], TODAY) == []


def test_how_a_licence_stands() -> None:
    def stands(**values: object) -> str:
        row = {"status": "active", "valid_from": date(2026, 1, 1), "valid_to": None, **values}
        return standing(row, TODAY).text

    assert stands() == "Valid"
    assert stands(status="revoked") == "Revoked"
    assert stands(valid_from=TODAY + timedelta(days=1)) == "Not valid yet"
    assert stands(valid_to=TODAY - timedelta(days=1)) == "Ended"
    assert stands(valid_to=TODAY) == "Ends today"
    assert stands(valid_to=TODAY + timedelta(days=60)) == "Ends in 60 d"
    assert stands(valid_to=TODAY + timedelta(days=61)) == "Valid"
