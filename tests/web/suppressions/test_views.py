"""A buyer's book of business: taken in whole, searched, a page at a time."""

from __future__ import annotations

from typing import Any

from aiohttp import FormData
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from tests.web.conftest import Client
from tests.web.market import Market
from web.suppressions.lists import LIST_BYTES_MAXIMUM


async def _page(client: Client, path: str) -> tuple[int, str]:
    async with client.get(path) as answer:
        return answer.status, await answer.text()


async def _add(client: Client, path: str, numbers: str = "", file: bytes | None = None) -> tuple[int, str]:
    form = FormData()
    form.add_field("numbers", numbers)
    form.add_field("reason", "customer <b>")
    form.add_field("file", file or b"", filename="list.txt" if file else "", content_type="text/plain")
    async with client.post(path, data=form) as answer:
        return answer.status, await answer.text()


async def test_a_buyers_list(admin: Client, market: Market, engine: AsyncEngine) -> None:
    path = f"/buyers/{market.buyer_id}/suppressions"
    assert "Nobody yet" in (await _page(admin, path))[1]
    status, page = await _add(
        admin, path, "(614) 555-0123", b"\xef\xbb\xbf+16145550124\r\n\r\n614.555.0123\n"
    )
    assert (status, "2 added, 1 were on the list already" in page) == (200, True)
    assert "+1 614-555-0124" in page
    assert "customer &lt;b&gt;" in page
    # One that is none: nothing is taken, its place is said, what was typed stays.
    status, page = await _add(admin, path, "+16145550125\nmoon")
    assert status == 422
    assert "line 2: &#39;moon&#39; is not a number" in page
    assert "+16145550125\nmoon</textarea>" in page
    assert "Write a number, or choose a file" in (await _add(admin, path))[1]
    assert (await _add(admin, path, file=b"1" * (LIST_BYTES_MAXIMUM + 1)))[0] == 413
    status, page = await _add(admin, path, file=b"\xff\x00\n")
    assert status == 422
    # A long list is never shown in whole.
    rows = [{"buyer_id": market.buyer_id, "caller_sealed": f"+1212555{number:04d}"} for number in range(120)]
    async with engine.begin() as connection:
        await connection.execute(insert(tables.buyer_suppressions), rows)
    _, page = await _page(admin, path)
    assert page.count("Take off</button>") == 50
    assert 'rel="next"' in page
    for searched, count in (("212+555+0011", 1), ("212", 50), ("614", 2), ("212+555+01", 0)):
        _, page = await _page(admin, f"{path}?q={searched}")
        assert page.count("Take off</button>") == count, searched
    assert "No such number" in (await _page(admin, f"{path}?q=999"))[1]
    assert (await _page(admin, "/buyers/999999/suppressions"))[0] == 404
    async with admin.post(f"{path}/remove", data={"caller": "+16145550123"}) as answer:
        assert "Taken off the list" in await answer.text()
    async with admin.post(f"{path}/remove", data={"caller": "+16145550123"}) as answer:
        assert answer.status == 404
    async with engine.connect() as connection:
        of_lists = select(tables.audit_log).where(tables.audit_log.c.kind == "suppressions")
        notes = (await connection.execute(of_lists.order_by(tables.audit_log.c.id))).mappings()
        told = [(note["action"], note["kind"], note["ref"]) for note in notes]
    actions = [one for one in told if one[0] != "look_up"]
    assert actions == [
        ("suppress", "suppressions", str(market.buyer_id)),
        ("unsuppress", "suppressions", str(market.buyer_id)),
    ]


async def test_a_machine_keeps_the_list(admin: Client, market: Market) -> None:
    path = f"/api/v1/buyers/{market.buyer_id}/suppressions"

    async def ask(method: str, path: str, body: object = None) -> tuple[int, Any]:
        sent: dict[str, Any] = {} if body is None else {"json": body}
        async with admin.request(method, path, **sent) as answer:
            return answer.status, await answer.json(content_type=None) if await answer.read() else None

    numbers = [f"+1212555{number:04d}" for number in range(5)]
    assert await ask("POST", path, {"numbers": numbers}) == (200, {"added": 5, "known": 0})
    status, content = await ask("POST", path, {"numbers": ["+12125550001", "x"]})
    assert (status, content["errors"][0]["field"]) == (422, "numbers")
    _, content = await ask("GET", f"{path}?limit=3")
    found = [item["caller"] for item in content["items"]]
    _, content = await ask("GET", f"{path}?limit=3&cursor={content['next']}")
    assert sorted(found + [item["caller"] for item in content["items"]]) == numbers
    _, content = await ask("GET", f"{path}?number=2125550003")
    assert [item["caller"] for item in content["items"]] == numbers[3:4]
    assert (await ask("GET", f"{path}?cursor=garbage"))[0] == 400
    assert (await ask("DELETE", f"{path}/{numbers[0]}"))[0] == 204
    assert (await ask("DELETE", f"{path}/{numbers[0]}"))[0] == 404
    assert (await ask("GET", "/api/v1/buyers/999999/suppressions"))[0] == 404
