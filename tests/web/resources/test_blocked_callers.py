"""Blocked callers in the pages' hands: found whole, changed, put back; and no note of it holds a number."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from store.key_ring import key_ring, use_key_ring
from store.sealed_columns import CALLER
from tests.sealed import index_of, number_in
from tests.web.conftest import Client

NUMBER, OTHER = "+16145550123", "+16145550199"
PATH = "/api/v1/blocked-callers"


async def ask(
    client: Client, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, Any, str]:
    sent = {} if body is None else {"json": body}
    async with client.request(method, path, headers=headers, **sent) as answer:
        content = await answer.json(content_type=None) if await answer.read() else None
        return answer.status, content, answer.headers.get("ETag", "")


async def the_number(engine: AsyncEngine) -> str | None:
    async with engine.connect() as connection:
        return number_in((await connection.execute(text("SELECT * FROM blocked_callers"))).mappings().one())


async def change_of(engine: AsyncEngine, action: str) -> tuple[int, Any, Any]:
    log = tables.audit_log.c
    async with engine.connect() as connection:
        query = select(log.id, log.before, log.after).where(log.action == action)
        row = (await connection.execute(query.order_by(log.id.desc()).limit(1))).one()
    return row.id, row.before, row.after


async def test_a_number_is_blocked_found_changed_and_put_back(admin: Client, engine: AsyncEngine) -> None:
    status, made, _ = await ask(
        admin, "POST", PATH, {"kind": "number", "value": "(614) 555-0123", "reason": "r"}
    )
    assert (status, made["value"]) == (201, NUMBER)
    assert (await ask(admin, "POST", PATH, {"kind": "number", "value": NUMBER}))[0] == 422, (
        "it is blocked already"
    )
    await ask(admin, "POST", PATH, {"kind": "prefix", "value": "+1900"})
    for searched, found in (
        ("614-555-0123", [NUMBER]),
        ("1900", ["+1900"]),
        ("5550123", []),
        ("6145550199", []),
    ):
        _, listed, _ = await ask(admin, "GET", f"{PATH}?q={searched}")
        assert [row["value"] for row in listed["items"]] == found, searched
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM blocked_callers WHERE kind = 'prefix'"))

    path = f"{PATH}/{made['id']}"
    _, _, etag = await ask(admin, "GET", path)
    changed = {"kind": "number", "value": OTHER, "reason": "r"}
    assert (await ask(admin, "PUT", path, changed, **{"If-Match": etag}))[0] == 200
    assert await the_number(engine) == OTHER
    note, before, after = await change_of(engine, "change")
    assert (before["value"]["number"], after["value"]["number"]) == ("+1 614 ••• ••23", "+1 614 ••• ••99")
    assert before["value"]["index"] == index_of(NUMBER).hex()
    assert "5550123" not in str(before) + str(after) and "5550199" not in str(before) + str(after)
    _, shown, _ = await ask(admin, "GET", "/api/v1/audit?kind=blocked-callers")
    assert "sealed" not in str(shown)
    async with admin.get("/audit") as answer:
        page = await answer.text()
    assert "••• ••99" in page and "sealed" not in page
    assert (await ask(admin, "POST", f"/api/v1/changes/blocked-callers/{note}/undo"))[0] == 204
    assert await the_number(engine) == NUMBER


async def test_a_note_whose_keys_are_gone_is_not_undone(admin: Client, engine: AsyncEngine) -> None:
    await ask(admin, "POST", PATH, {"kind": "number", "value": NUMBER})
    note, _, _ = await change_of(engine, "create")
    ring = key_ring()
    newer = ring.with_newer_key().newest_only()
    async with engine.begin() as connection:
        again = {"sealed": newer.seal_text(CALLER, NUMBER)}
        await connection.execute(text("UPDATE blocked_callers SET caller_sealed = :sealed"), again)
    use_key_ring(lambda: newer)
    try:
        status, problem, _ = await ask(admin, "POST", f"/api/v1/changes/blocked-callers/{note}/undo")
    finally:
        use_key_ring(lambda: ring)
    assert status == 409 and "its keys were put away" in str(problem)
