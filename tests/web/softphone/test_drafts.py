"""A code for a draft, the way of its call as it comes, and the page that carries the telephone."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any
from uuid import UUID, uuid4

from aiohttp import ClientResponse
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from ivr_flows.library import load
from ivr_flows.publishing import save_draft
from store.tables import audit_log, dial_codes, draft_call_events, users
from store.web_tables import DRAFT_CALLS
from tests.web.conftest import PASSWORD, Client, sign_in
from tests.web.market import Market
from tests.web.softphone.conftest import LINE_PASSWORD
from web.auth import create_user

CODES, LINE = "/api/v1/draft-calls", "/api/v1/softphone"


async def code_for(client: Client, **body: Any) -> dict[str, Any]:
    answer = await client.post(CODES, json={"flow": "mortgage", **body})
    assert answer.status == 201, await answer.text()
    made: dict[str, Any] = await answer.json()
    return made


async def add_event(engine: AsyncEngine, code_id: str, sequence: int, kind: str) -> None:
    values = {"dial_code_id": UUID(code_id), "sequence": sequence, "kind": kind, "node": "", "detail": {}}
    async with engine.begin() as connection:
        await connection.execute(insert(draft_call_events).values(values))
        await connection.execute(select(func.pg_notify(DRAFT_CALLS, code_id)))


async def next_event(stream: ClientResponse) -> dict[str, Any]:
    while True:
        async with asyncio.timeout(20):
            line = await stream.content.readline()
        assert line, "the stream ended"
        if line.startswith(b"data: "):
            found: dict[str, Any] = json.loads(line[6:])
            return found


async def test_a_code_holds_the_draft_as_it_was_and_only_its_digest_is_kept(
    admin: Client, engine: AsyncEngine, market: Market
) -> None:
    await save_draft(engine, "mortgage", load("mortgage"))
    made = await code_for(admin, caller="(614) 555-0137")
    await save_draft(engine, "mortgage", load("direct"))
    async with engine.connect() as connection:
        row = (await connection.execute(select(dial_codes))).one()
        notes = (await connection.execute(select(audit_log.c.action, audit_log.c.ref))).all()
    assert len(made["code"]) == 12 and made["code"].isdigit()
    assert row.code_digest == hashlib.sha256(made["code"].encode()).digest()
    assert row.definition["entry"] == load("mortgage")["entry"] and row.caller_sealed == "+16145550137"
    assert ("call_draft", "mortgage") in [tuple(note) for note in notes]


REFUSALS: list[tuple[dict[str, Any], int, str]] = [
    ({"flow": "nowhere"}, 404, "no such flow"),
    ({"flow": "mortgage", "caller": "911"}, 422, "caller"),
    ({"flow": "mortgage", "campaign_id": 999}, 422, "no such campaign"),
    ({"flow": "mortgage", "definition": {"name": "x"}}, 422, "cannot be played yet"),
    ({"flow": "mortgage", "definition": {"nodes": [1]}}, 422, "cannot be played yet"),
    ({"flow": "mortgage", "definition": {"name": "\x00"}}, 422, "NUL"),
    ({"flow": "../x"}, 422, "flow"),
    ({}, 422, "flow"),
]


async def test_what_cannot_be_called_is_refused_with_the_reason(admin: Client, engine: AsyncEngine) -> None:
    await save_draft(engine, "mortgage", load("mortgage"))
    for body, status, words in REFUSALS:
        answer = await admin.post(CODES, json=body)
        assert answer.status == status and words in await answer.text(), body


async def test_the_line_is_told_to_editors_only(admin: Client, stranger: Client, engine: AsyncEngine) -> None:
    assert (await (await admin.get(LINE)).json())["password"] == LINE_PASSWORD
    assert (await stranger.get(LINE)).status == 401
    async with engine.begin() as connection:
        await connection.execute(update(users).values(role="analyst"))
    for refused in (await admin.get(LINE), await admin.post(CODES, json={"flow": "mortgage"})):
        assert refused.status == 403
    assert (await admin.get("/softphone")).status == 403


async def test_the_way_of_a_call_is_sent_as_it_comes_and_ends_with_it(
    admin: Client, engine: AsyncEngine
) -> None:
    await save_draft(engine, "mortgage", load("mortgage"))
    made = await code_for(admin)
    await add_event(engine, made["id"], 1, "began")
    async with admin.get(made["events"]) as stream:
        assert stream.content_type == "text/event-stream"
        assert (await next_event(stream))["kind"] == "began"
        await add_event(engine, made["id"], 2, "step")
        assert (await next_event(stream))["kind"] == "step"
        await add_event(engine, made["id"], 3, "ended")
        assert (await next_event(stream))["sequence"] == 3
        async with asyncio.timeout(20):
            assert (await stream.content.read()).strip() == b""
    async with admin.get(made["events"], headers={"Last-Event-ID": "2"}) as stream:
        assert (await next_event(stream))["sequence"] == 3
    listed = await (await admin.get(f"{CODES}/{made['id']}/events?after=1")).json()
    assert [one["kind"] for one in listed["items"]] == ["step", "ended"]


async def test_nobody_else_hears_of_it(admin: Client, stranger: Client, engine: AsyncEngine) -> None:
    await save_draft(engine, "mortgage", load("mortgage"))
    made = await code_for(admin)
    await create_user(engine, "bea@example.com", PASSWORD, "admin")
    await sign_in(stranger, "bea@example.com")
    for address in (made["events"], f"{CODES}/{made['id']}/events"):
        assert (await stranger.get(address)).status == 404
    for strange in (f"/flows/draft-call/{uuid4()}/events", "/flows/draft-call/x/events"):
        assert (await admin.get(strange)).status == 404


async def test_only_the_page_with_the_telephone_may_ask_for_the_microphone(
    admin: Client, engine: AsyncEngine
) -> None:
    empty = await (await admin.get("/softphone")).text()
    assert "There is no flow to call yet" in empty
    await save_draft(engine, "mortgage", load("mortgage"))
    page = await admin.get("/softphone?flow=mortgage")
    assert "microphone=(self)" in page.headers["Permissions-Policy"]
    assert "<option selected>mortgage</option>" in await page.text()
    assert "microphone=()" in (await admin.get("/calls")).headers["Permissions-Policy"]
