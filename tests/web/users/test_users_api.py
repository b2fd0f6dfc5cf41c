"""People, for machines: the same rules, with fields and ETags."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import audit_log
from tests.web.conftest import EMAIL, Client
from tests.web.market import Market

PATH = "/api/v1/users"


async def test_a_person_is_invited_changed_and_barred(
    admin: Client, engine: AsyncEngine, market: Market
) -> None:
    wanted = {"email": "bea@example.com", "role": "buyer", "buyer_id": market.buyer_id}
    async with admin.post(PATH, json=wanted, headers={"Idempotency-Key": "1"}) as answer:
        assert answer.status == 201
        made = await answer.json()
    assert made["kind"] == "invitation" and "/link/" in made["link"] and made["sent"] is False
    item = f"{PATH}/{made['user_id']}"
    async with admin.get(item) as answer:
        etag, bea = answer.headers["ETag"], await answer.json()
    assert (bea["state"], bea["buyer_id"], bea["role"]) == ("invited", market.buyer_id, "buyer")
    change = {"name": "Bea", "role": "analyst", "buyer_id": market.buyer_id}
    async with admin.put(item, json=change, headers={"If-Match": etag}) as answer:
        changed = await answer.json()
    assert (changed["name"], changed["role"], changed["buyer_id"]) == ("Bea", "analyst", None)
    async with admin.put(item, json=change, headers={"If-Match": etag}) as answer:
        assert answer.status == 412
    async with admin.post(f"{item}/disable") as answer:
        assert (await answer.json())["state"] == "disabled"
    async with admin.post(f"{item}/link") as answer:
        assert answer.status == 409
    for act in ("enable", "end-sessions", "link"):
        async with admin.post(f"{item}/{act}") as answer:
            assert answer.status == 200, act
    async with admin.get(f"{PATH}?limit=1") as answer:
        first = await answer.json()
    async with admin.get(f"{PATH}?limit=1&cursor={first['next']}") as answer:
        second = await answer.json()
    assert [one["email"] for one in first["items"] + second["items"]] == [EMAIL, "bea@example.com"]
    async with engine.connect() as connection:
        doors = (
            await connection.execute(select(audit_log.c.via).where(audit_log.c.action == "invite"))
        ).scalars()
        assert list(doors) == ["api"]


async def test_refusals_name_the_field(admin: Client, market: Market) -> None:
    for body, field in (
        ({"email": "no address", "role": "admin"}, "email"),
        ({"email": EMAIL, "role": "admin"}, "email"),
        ({"email": "a@b", "role": "buyer"}, "buyer_id"),
        ({"email": "a@b", "role": "publisher", "publisher_id": 2**62}, "publisher_id"),
        ({"email": "a@b", "role": "emperor"}, "role"),
        ({"email": "a@b", "role": "admin", "name": "two\nlines"}, "name"),
    ):
        async with admin.post(PATH, json=body) as answer:
            problem = await answer.json()
        assert answer.status == 422 and problem["errors"][0]["field"] == field, body
    async with admin.post(f"{PATH}/1/disable") as answer:
        assert answer.status == 409 and "last admin" in (await answer.json())["detail"]
    for path in (f"{PATH}/999", f"{PATH}/x"):
        async with admin.get(path) as answer:
            assert answer.status == 404
