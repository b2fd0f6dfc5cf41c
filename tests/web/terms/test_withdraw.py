"""Terms that are yet to go live are withdrawn and put back; those that calls were judged by are not."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from tests.web.conftest import Client
from tests.web.market import Market
from tests.web.plans.house import api
from tests.web.terms.test_terms import press

COMING = {"goes_live": "later", "day": "2199-01-01", "time": "08:30", "price": "50.00", "tiers": "101: 40.00"}


async def _versions(engine: AsyncEngine) -> list[dict[str, object]]:
    columns = [one for one in tables.buyer_terms.c if one.name != "id"]
    async with engine.connect() as connection:
        rows = await connection.execute(select(*columns).order_by(tables.buyer_terms.c.goes_live_at))
        return [dict(row) for row in rows.mappings()]


async def test_what_is_to_come_is_withdrawn_and_put_back_as_it_was(
    admin: Client, engine: AsyncEngine, market: Market
) -> None:
    await press(admin, market, "save")
    _, page = await press(admin, market, "save", **COMING)
    before = await _versions(engine)
    assert page.count("/withdraw") == 1, "what is live has no such button"
    found = re.search(r'action="(/campaigns/[^"]+/withdraw)"', page)
    assert found is not None
    async with admin.post(found[1]) as answer:
        page = await answer.text()
    assert "Withdrawn: they do not go live." in page
    assert await _versions(engine) == before[:1]
    async with admin.post(found[1]) as answer:
        assert answer.status == 404
    undo = re.search(r'action="([^"]+/put-back/[0-9]+)"', page)
    assert undo is not None
    async with admin.post(undo[1]) as answer:
        assert "They are back" in await answer.text()
    assert await _versions(engine) == before
    async with admin.post(undo[1]) as answer:
        assert answer.status == 409
        assert "Other terms go live at that very moment" in await answer.text()
    async with engine.connect() as connection:
        kind = tables.audit_log.c.kind == "terms"
        noted = (await connection.execute(select(tables.audit_log.c.action).where(kind))).scalars().all()
    assert noted == ["create", "create", "withdraw", "restore"]


async def _plain(engine: AsyncEngine, market: Market, goes_live_at: datetime) -> int:
    """Insert a plain price, which the database itself does not guard."""
    values = {
        "buyer_id": market.buyer_id,
        "campaign_id": market.campaign_id,
        "goes_live_at": goes_live_at,
        "price_micros": 45_000_000,
    }
    async with engine.begin() as connection:
        statement = insert(tables.buyer_terms).values(values).returning(tables.buyer_terms.c.id)
        return int((await connection.execute(statement)).scalar_one())


async def test_what_is_live_or_about_to_be_stays(admin: Client, engine: AsyncEngine, market: Market) -> None:
    now = datetime.now(UTC)
    for ahead in (timedelta(days=-30), timedelta(seconds=-1), timedelta(seconds=5)):
        terms_id = await _plain(engine, market, now + ahead)
        path = f"/campaigns/{market.campaign_id}/terms/buyer/{terms_id}"
        status, problem, _ = await api(admin, "DELETE", path)
        assert status == 409 and "calls are judged by them" in problem["detail"], ahead
        async with admin.post(f"{path}/withdraw") as answer:
            assert answer.status == 409
            assert "They cannot be withdrawn" in await answer.text()
    assert len(await _versions(engine)) == 3


async def test_machines_withdraw_and_put_back(admin: Client, engine: AsyncEngine, market: Market) -> None:
    terms_id = await _plain(engine, market, datetime.now(UTC) + timedelta(days=9))
    before = await _versions(engine)
    path = f"/campaigns/{market.campaign_id}/terms/buyer/{terms_id}"
    assert (await api(admin, "DELETE", path.replace("buyer", "publisher")))[0] == 404
    assert (await api(admin, "DELETE", path.replace("buyer", "carrier")))[0] == 404
    assert (await api(admin, "DELETE", f"/campaigns/999/terms/buyer/{terms_id}"))[0] == 404
    status, done, _ = await api(admin, "DELETE", path)
    assert status == 200
    assert (await api(admin, "POST", f"{path}/put-back/{done['change_id'] + 1}"))[0] == 404
    status, made, _ = await api(admin, "POST", f"{path}/put-back/{done['change_id']}")
    assert status == 200 and made["id"] != terms_id
    assert await _versions(engine) == before
    # The note of the return itself puts nothing back.
    new_path = f"/campaigns/{market.campaign_id}/terms/buyer/{made['id']}"
    assert (await api(admin, "POST", f"{new_path}/put-back/{done['change_id'] + 1}"))[0] == 404
