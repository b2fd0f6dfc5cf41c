"""A publisher's keys: shown once, good for a ping, dead when revoked."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from tests.web.conftest import Client
from tests.web.market import Market, add
from tests.web.plans.house import api


async def test_a_key_is_made_shown_once_used_and_revoked(
    admin: Client, stranger: Client, engine: AsyncEngine, market: Market
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
    async with stranger.get(f"/rtb/{key}?CID=%2B16145550123") as answer:
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
    async with stranger.get(f"/rtb/{key}?CID=%2B16145550123") as answer:
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
