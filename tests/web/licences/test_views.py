"""Licences on a map and out of a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from aiohttp import FormData
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from tests.web.conftest import Client
from tests.web.market import Market, add
from web.licences.imports import FILE_BYTES_MAXIMUM, carried, carry

TODAY = datetime.now(UTC).date()
HEADER = "buyer,nmls_id,state,product,valid_from,valid_to\n"


async def _licence(engine: AsyncEngine, buyer_id: int, state: str, **values: Any) -> None:
    row = {"nmls_id": "7", "product": "refinance", "valid_from": date(2026, 1, 1), **values}
    async with engine.begin() as connection:
        await connection.execute(insert(tables.licences).values(buyer_id=buyer_id, state=state, **row))


async def _covered(client: Client, query: str = "") -> dict[str, int]:
    async with client.get(f"/api/v1/licence-map{query}") as answer:
        assert answer.status == 200, await answer.text()
        return {one["state"]: one["buyers"] for one in await answer.json() if one["buyers"]}


async def _send(client: Client, text: bytes | None = None, **fields: str) -> tuple[int, str]:
    form = FormData()
    if text is not None:
        form.add_field("file", text, filename="licences.csv", content_type="text/csv")
    for name, value in fields.items():
        form.add_field(name, value)
    async with client.post("/licences/import", data=form) as answer:
        return answer.status, await answer.text()


async def _count(engine: AsyncEngine, table: Any) -> int:
    async with engine.connect() as connection:
        return int(await connection.scalar(select(func.count()).select_from(table)) or 0)


async def test_the_map_counts_who_may_take_a_call_today(
    admin: Client, market: Market, engine: AsyncEngine
) -> None:
    ours, other = market.buyer_id, market.buyer_id + 1
    await _licence(engine, ours, "OH")
    await _licence(engine, other, "OH")
    await _licence(engine, ours, "MI", valid_to=TODAY)
    await _licence(engine, ours, "KY", valid_to=TODAY - timedelta(days=1))
    await _licence(engine, ours, "IN", status="suspended")
    await _licence(engine, ours, "PA", product="purchase")
    assert await _covered(admin) == {"OH": 2, "MI": 1}
    assert await _covered(admin, "?product=purchase") == {}, "no target takes purchases"
    async with admin.get("/licences/map") as answer:
        page = await answer.text()
    assert "49 gaps" in page
    assert "Ohio: 2 buyers" in page
    assert "Kentucky: a gap, no buyer" in page
    # A campaign's buyers are those in its plan.
    assert await _covered(admin, f"?campaign_id={market.campaign_id}") == {}
    async with engine.begin() as connection:
        stage = await add(
            connection,
            tables.plan_stages,
            campaign_id=market.campaign_id,
            position=1,
            method="priority",
        )
        await connection.execute(
            insert(tables.plan_entries).values(stage_id=stage, target_id=market.chosen_id, priority=1)
        )
    assert await _covered(admin, f"?campaign_id={market.campaign_id}") == {"OH": 1, "MI": 1}
    async with admin.get(f"/licences/map/OH?campaign_id={market.campaign_id}") as answer:
        page = await answer.text()
    assert "Buckeye Lending" in page
    assert "Lakeside" not in page
    # Who lists its officers needs one of them as well.
    await _licence(engine, ours, "MI", officer_name="Ann Lee", officer_nmls_id="9")
    assert await _covered(admin) == {"OH": 1, "MI": 1}
    async with engine.begin() as connection:
        await connection.execute(update(tables.targets).values(enabled=False))
    assert await _covered(admin) == {}
    async with admin.get("/licences/map/KY?product=moon&campaign_id=x&after=garbage") as answer:
        assert "Nobody may take these calls" in await answer.text()
    async with admin.get("/licences/map/ZZ") as answer:
        assert answer.status == 404


async def test_a_file_is_looked_at_before_it_is_stored(
    admin: Client, market: Market, engine: AsyncEngine
) -> None:
    text = HEADER + "Buckeye Lending,401822,OH,all,2026-01-01,2029-12-31\n"
    status, page = await _send(admin, text.encode())
    assert status == 200
    assert "What it would change" in page
    assert await _count(engine, tables.licences) == 0, "nothing is stored yet"
    found = re.search(r'name="looked_at" value="([^"]+)"', page)
    assert found is not None
    status, page = await _send(admin, looked_at=found[1])
    assert (status, "Done: 4 added" in page) == (200, True)
    assert await _count(engine, tables.licences) == 4
    async with engine.connect() as connection:
        note = (
            (
                await connection.execute(
                    select(tables.audit_log).where(tables.audit_log.c.kind == "licence-files")
                )
            )
            .mappings()
            .one()
        )
    assert (note["action"], note["kind"], note["after"]["added"]) == ("import", "licence-files", 4)
    # Wrong rows are named, each with its place; nothing of the file is taken.
    wrong = text + "Nobody,1,OH,all,2026-01-01,\nBuckeye Lending,1,<img onerror>,all,yesterday,\n"
    status, page = await _send(admin, wrong.encode())
    assert status == 422
    assert "Nothing was stored: 3 things are wrong" in page
    assert "&lt;img onerror&gt;" in page
    bad: dict[str, str]
    for bad, words in (
        ({}, "Choose a file first"),
        ({"looked_at": "garbage"}, "is not the file"),
        ({"looked_at": carry(b"x" * (FILE_BYTES_MAXIMUM + 1))}, "is not the file"),
    ):
        status, page = await _send(admin, None, **bad)
        assert (status, words in page) == (422, True)
    status, page = await _send(admin, b"x" * (FILE_BYTES_MAXIMUM + 1))
    assert (status, "The file is too large" in page) == (413, True)
    assert await _count(engine, tables.licences) == 4


async def test_a_machine_brings_in_a_file(admin: Client, market: Market, engine: AsyncEngine) -> None:
    async def post(body: Mapping[str, object]) -> tuple[int, Any]:
        async with admin.post("/api/v1/licence-files", json=body) as answer:
            return answer.status, await answer.json(content_type=None)

    text = HEADER + "Buckeye Lending,401822,OH,refinance,2026-01-01,\n"
    status, content = await post({"csv": text, "look_only": True})
    assert (status, content) == (200, {"added": 1, "changed": 0, "unchanged": 0, "stored": False})
    assert await _count(engine, tables.licences) == 0
    assert (await post({"csv": text}))[1]["stored"] is True
    assert (await post({"csv": text}))[1]["unchanged"] == 1
    rows = "".join(f"Buckeye Lending,{number},OH,purchase,2026-01-01,\n" for number in range(1, 3001))
    status, content = await post({"csv": HEADER + rows, "look_only": True})
    assert (status, content["added"]) == (200, 3000), "larger than any form of ours"
    status, content = await post({"csv": "moon\n1"})
    assert status == 422
    assert content["errors"][0]["problem"].startswith("line 1: the header lacks")


def test_a_file_goes_to_the_browser_and_back() -> None:
    assert carried(carry(b"one,two\n" * 1000)) == b"one,two\n" * 1000
    assert carried("!") is None
    assert carried(carry(b"x" * 100)[:-8]) is None
