"""Who looked a caller up, or took calls away as a file, is in the audit log, no matter who it is."""

from __future__ import annotations

from typing import Any

from aiohttp.test_utils import TestServer
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from store.key_ring import key_ring
from tests.web.conftest import Client
from tests.web.market import CALLER, Market, add_sold_call
from tests.web.visibility.test_masks import WHOLE, signed_in
from web.keys import Role

MASKED = "+1 614 ••• ••23"


async def get(client: Client, address: str) -> str:
    async with client.get(address) as answer:
        assert answer.status == 200, address
        return await answer.text()


async def notes(engine: AsyncEngine) -> list[tuple[str, str, str, str, Any]]:
    """Return (actor, action, kind, ref, after) of what was looked up and taken away, oldest first."""
    log = tables.audit_log.c
    query = select(log.actor, log.action, log.kind, log.ref, log.after).where(
        log.action.in_(("look_up", "export"))
    )
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(query.order_by(log.id))]  # type: ignore[misc]


async def test_of_the_house(admin: Client, engine: AsyncEngine, market: Market) -> None:
    call_id = await add_sold_call(engine, market)
    for address in (
        "/calls",
        "/calls?caller=%2B1+614+555+0123",
        "/calls?caller=614555",
        f"/calls/{call_id}",
        "/calls/export.csv?caller=6145550123",
        "/calls/export.csv?caller=5550123",
        f"/buyers/{market.buyer_id}/suppressions?q=614+555+0123",
        "/blocked-callers?q=%2B16145550123",
        f"/api/v1/calls/{call_id}",
        "/api/v1/calls?caller=16145550123",
        "/api/v1/calls/export.csv",
        "/audit.csv",
        "/reports/report.csv?by=buyer&from=2026-11-01&to=2026-11-30",
    ):
        await get(admin, address)
    index, number = key_ring().blind("caller", CALLER).hex(), {"caller": MASKED}
    ada = "ada@example.com"
    report = "by=buyer&from=2026-11-01&to=2026-11-30&figure=revenue"
    assert await notes(engine) == [
        (ada, "look_up", "calls", index, number),
        (ada, "look_up", "calls", "614", {"part": "614"}),
        (ada, "look_up", "calls", str(call_id), None),
        (ada, "export", "calls", "csv", {"filter": number, "whole_numbers": True}),
        (ada, "export", "calls", "csv", {"filter": {"part": "555"}, "whole_numbers": True}),
        (ada, "look_up", "suppressions", index, number),
        (ada, "look_up", "blocked-callers", index, number),
        (ada, "look_up", "calls", str(call_id), None),
        (ada, "look_up", "calls", index, number),
        (ada, "export", "calls", "csv", {"filter": {}, "whole_numbers": True}),
        (ada, "export", "audit_log", "csv", {"filter": {}}),
        (ada, "export", "reports", "csv", {"report": report}),
    ]
    assert not WHOLE.search(str(await notes(engine)))


async def test_of_a_buyer_and_a_publisher(engine: AsyncEngine, site: TestServer, market: Market) -> None:
    call_id = await add_sold_call(engine, market)
    async with (
        signed_in(engine, site, Role.BUYER, buyer_id=market.buyer_id) as of_buyer,
        signed_in(engine, site, Role.PUBLISHER, publisher_id=market.publisher_id) as of_publisher,
    ):
        for address in (
            "/buyer/calls?caller=6145550123",
            f"/buyer/calls/{call_id}",
            "/api/v1/own/calls?caller=6145550123",
            f"/api/v1/own/calls/{call_id}",
        ):
            await get(of_buyer, address)
        for address in ("/publisher/calls?caller=6145550123", f"/publisher/calls/{call_id}"):
            await get(of_publisher, address)
    index, number = key_ring().blind("caller", CALLER).hex(), {"caller": MASKED}
    buyer, publisher = "buyer@example.com", "publisher@example.com"
    assert await notes(engine) == [
        (buyer, "look_up", "calls", index, number),
        (buyer, "look_up", "calls", str(call_id), None),
        (buyer, "look_up", "calls", index, number),
        (buyer, "look_up", "calls", str(call_id), None),
        (publisher, "look_up", "calls", str(call_id), None),
    ]
