"""A publisher's keys: shown once, good for a ping, dead when revoked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from store.session import open_engine
from tests.web.conftest import Client
from tests.web.market import Market, add
from tests.web.plans.house import api
from web.rtb.app import make_pings_app


@pytest_asyncio.fixture
async def pings(database_url: str, tmp_path: Path) -> AsyncIterator[Client]:
    """The process that publishers' machines ask."""
    engine = open_engine(database_url, application_name="pings", pool_size=5)
    async with TestClient(
        TestServer(make_pings_app(engine, snapshot_file=tmp_path / "pings.json"))
    ) as client:
        yield client
    await engine.dispose()


async def test_a_key_is_made_shown_once_used_and_revoked(
    admin: Client, stranger: Client, pings: Client, engine: AsyncEngine, market: Market
) -> None:
    path = f"/publishers/{market.publisher_id}/keys"
    form = {
        "campaign_id": str(market.campaign_id),
        "dialect": "ringba",
        "rate_per_minute": "60",
        "name": "Ads",
    }
    async with admin.post(path, data={**form, "share_percent": "180"}) as answer:
        assert answer.status == 422 and "share_percent-problem" in await answer.text()
    async with admin.post(path, data={**form, "share_percent": "80 %"}) as answer:
        text = await answer.text()
    key = text.split('<code class="secret">')[1].split("<")[0]
    assert f"/rtb/{key}?CID=" in text
    async with admin.get(path) as answer:
        again = await answer.text()
    assert key not in again and "80 % of the revenue" in again and "/rtb/KEY" in again
    async with pings.get(f"/rtb/{key}?CID=%2B16145550123") as answer:
        assert answer.status == 200 and "bidAmount" in await answer.text()
    async with engine.connect() as connection:
        key_id = await connection.scalar(select(tables.rtb_keys.c.id))
        notes = (await connection.execute(select(tables.audit_log.c.after))).scalars().all()
    assert key not in str(notes)
    async with engine.begin() as connection:
        other = await add(connection, tables.publishers, name="Another")
    async with admin.post(f"/publishers/{other}/keys/{key_id}/revoke") as answer:
        assert answer.status == 404
    async with admin.post(f"{path}/{key_id}/revoke") as answer:
        assert answer.status == 200 and "Revoked" in await answer.text()
    async with pings.get(f"/rtb/{key}?CID=%2B16145550123") as answer:
        assert answer.status == 404
    async with stranger.get(path, allow_redirects=False) as answer:
        assert answer.status == 303


async def test_machines_make_list_and_revoke_keys(admin: Client, market: Market) -> None:
    path = f"/publishers/{market.publisher_id}/keys"
    status, made, _ = await api(admin, "POST", path, json={"campaign_id": market.campaign_id})
    assert status == 201 and made["key"].startswith("tbk_")
    status, problem, _ = await api(admin, "POST", path, json={"campaign_id": 99_999})
    assert status == 422 and problem["errors"][0]["field"] == "campaign_id"
    assert (await api(admin, "DELETE", f"{path}/{made['id']}"))[0] == 204
    assert (await api(admin, "DELETE", f"{path}/99999"))[0] == 404
    assert (await api(admin, "GET", "/publishers/99999/keys"))[0] == 404
    _, listed, _ = await api(admin, "GET", path)
    assert [one["enabled"] for one in listed["items"]] == [False] and "key" not in listed["items"][0]


async def test_what_a_keys_pings_may_hold_is_changed_by_page_and_api_and_noted(
    admin: Client, engine: AsyncEngine, market: Market
) -> None:
    path = f"/publishers/{market.publisher_id}/keys"
    form = {"campaign_id": str(market.campaign_id), "open_most": "4", "room_share_percent": "30"}
    async with admin.post(path, data={**form, "room_share_percent": "101"}) as answer:
        assert answer.status == 422 and "room_share_percent-problem" in await answer.text()
    async with admin.post(path, data={**form, "dialect": "tollbridge", "rate_per_minute": "60"}) as answer:
        assert "4 open; 30 % of room; 50 pings a call" in await answer.text()
    async with engine.begin() as connection:
        key_id = await connection.scalar(select(tables.rtb_keys.c.id))
        warned = {"pings_won": 160, "pings_called": 3, "warned_at": datetime(2026, 11, 24, 15, tzinfo=UTC)}
        await connection.execute(update(tables.rtb_keys).values(warned))
    async with admin.post(f"{path}/{key_id}/limits", data={"pings_per_call": "60"}) as answer:
        text = await answer.text()
    assert "4 open; 30 % of room; 60 pings a call" in text and "3 of 160" in text and "Too few" in text
    async with admin.post(f"{path}/{key_id}/limits", data={"open_most": "many"}) as answer:
        assert answer.status == 422 and "Nothing was changed. open most" in await answer.text()
    status, changed, _ = await api(admin, "PATCH", f"{path}/{key_id}", json={"open_most": 7})
    assert status == 200 and (changed["open_most"], changed["room_share_percent"]) == (7, 30)
    assert changed["binds_at"].startswith("2026-11-25T15:00")
    assert (await api(admin, "PATCH", f"{path}/{key_id}", json={"open_most": 0}))[0] == 422
    assert (await api(admin, "PATCH", f"{path}/99999", json={"open_most": 7}))[0] == 404
    async with engine.connect() as connection:
        actions = (await connection.execute(select(tables.audit_log.c.action))).scalars().all()
    assert actions.count("update") == 2
