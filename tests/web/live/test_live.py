"""The live board: who sees it, how it moves, and what may be done from it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientTimeout, web
from aiohttp.test_utils import TestServer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.sealed import number_in
from tests.web.conftest import EMAIL, PASSWORD, Client, open_client, sign_in
from tests.web.live.calls import a_live_call, answers, ends, one_row, rings, talks, waits
from tests.web.market import CALLER, Market
from web.app import make_app
from web.auth import UserCreated, create_user

WAIT_SECONDS = 20


@asynccontextmanager
async def signed_in_as(site: TestServer, engine: AsyncEngine, role: str) -> AsyncIterator[Client]:
    email, password = f"{role}@example.com", "correct horse battery"
    assert isinstance(await create_user(engine, email, password, role), UserCreated)
    async with open_client(site) as client:
        assert await sign_in(client, email, password) == 303
        yield client


async def next_event(answer: ClientResponse) -> tuple[str, dict[str, Any]]:
    """Return the next event of a stream, comments passed over."""
    name = ""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            line = (await answer.content.readline()).decode().rstrip("\n")
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                return name, json.loads(line.removeprefix("data: "))


async def test_a_board_of_nobody_says_so(admin: Client) -> None:
    async with admin.get("/live") as answer:
        page = await answer.text()
    assert answer.status == 200
    assert "Nobody is on the line" in page
    assert 'http-equiv="refresh"' in page, "without script it loads itself anew"


async def test_a_call_is_seen_moving_from_its_arrival_to_its_end(
    admin: Client, engine: AsyncEngine, market: Market
) -> None:
    async with admin.get("/live/events") as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        assert await next_event(stream) == ("board", {"now_ms": pytest.approx(0, abs=1e14), "rows": []})
        call_id = await a_live_call(engine, market)
        name, told = await next_event(stream)
        assert name == "moved" and "Arrived" in told["rows"][0] and str(call_id) in told["rows"][0]
        await waits(engine, call_id, "loan_type")
        assert "loan type, asked" in (await next_event(stream))[1]["rows"][0]
        await answers(engine, call_id, "loan_type", "refinance")
        assert "refinance" in (await next_event(stream))[1]["rows"][0]
        await rings(engine, call_id, market.chosen_id)
        row = (await next_event(stream))[1]["rows"][0]
        assert "Ringing" in row and "Buckeye Lending" in row
        await talks(engine, call_id, market.chosen_id)
        assert "Talking" in (await next_event(stream))[1]["rows"][0]
        await ends(engine, call_id)
        assert (await next_event(stream))[1]["gone"] == [str(call_id)]


async def test_machines_are_told_the_same_in_json(admin: Client, engine: AsyncEngine, market: Market) -> None:
    call_id = await a_live_call(engine, market)
    await waits(engine, call_id, "state")
    async with admin.get("/api/v1/calls/events") as stream:
        assert stream.status == 200, await stream.text()
        name, told = await next_event(stream)
    assert name == "board"
    (call,) = told["calls"]
    assert (call["id"], call["stage"], call["flow_node"]) == (str(call_id), "flow", "state")
    assert call["caller"] == CALLER


async def test_an_analyst_sees_no_whole_number_and_may_do_nothing(
    site: TestServer, engine: AsyncEngine, market: Market
) -> None:
    call_id = await a_live_call(engine, market)
    async with signed_in_as(site, engine, "analyst") as analyst:
        async with analyst.get("/live/events") as stream:
            row = (await next_event(stream))[1]["rows"][0]
        assert "0123" not in row and "hang-up" not in row
        for act in ("hang-up", "listen", "block"):
            async with analyst.post(f"/calls/{call_id}/{act}") as answer:
                assert answer.status == 403


@pytest.mark.parametrize("role", ["buyer", "publisher"])
async def test_the_board_is_the_houses_own(site: TestServer, engine: AsyncEngine, role: str) -> None:
    async with signed_in_as(site, engine, role) as other:
        for path in ("/live", "/live/events", "/api/v1/calls/events"):
            async with other.get(path) as answer:
                assert answer.status == 403, path


async def test_a_stranger_is_asked_to_sign_in(stranger: Client) -> None:
    async with stranger.get("/live/events", allow_redirects=False) as answer:
        assert answer.status == 303


async def test_a_callers_name_is_text_and_nothing_else(
    admin: Client, engine: AsyncEngine, market: Market
) -> None:
    call_id = await a_live_call(engine, market)
    await answers(engine, call_id, "name", "<img src=x onerror=alert(1)>")
    async with admin.get("/live") as answer:
        assert "<img src=x" not in await answer.text()
    async with admin.get("/live/events") as stream:
        assert "<img src=x" not in (await next_event(stream))[1]["rows"][0]


async def test_hanging_up_is_an_order_to_the_calls_node(
    admin: Client, engine: AsyncEngine, market: Market
) -> None:
    call_id = await a_live_call(engine, market)
    async with admin.get(f"/calls/{call_id}/hang-up") as answer:
        assert "ends at once" in await answer.text()
    for _ in range(2):  # the second is the same order
        async with admin.post(f"/calls/{call_id}/hang-up", allow_redirects=False) as answer:
            assert answer.status == 303
    order = await one_row(engine, "SELECT node, kind, call_id, asked_by FROM call_commands")
    assert order == {"node": "a", "kind": "hang_up", "call_id": call_id, "asked_by": "ada@example.com"}
    noted = await one_row(engine, "SELECT action, ref FROM audit_log WHERE kind = 'calls'")
    assert noted == {"action": "hang_up", "ref": str(call_id)}


async def test_a_call_that_is_over_cannot_be_ended(
    admin: Client, engine: AsyncEngine, market: Market
) -> None:
    call_id = await a_live_call(engine, market)
    await ends(engine, call_id)
    async with admin.post(f"/calls/{call_id}/hang-up") as answer:
        assert answer.status == 409
        assert "The call is over" in await answer.text()
    async with admin.post(f"/api/v1/calls/{call_id}/hang-up") as answer:
        assert answer.status == 409
        assert (await answer.json())["detail"] == "the call is over"
    async with admin.post("/api/v1/calls/00000000-0000-5000-8000-000000000000/hang-up") as answer:
        assert answer.status == 404


async def test_a_number_to_listen_by_is_told_once_and_kept_as_a_digest(
    admin: Client, engine: AsyncEngine, market: Market
) -> None:
    call_id = await a_live_call(engine, market)
    async with admin.post(f"/api/v1/calls/{call_id}/listen", json={"purpose": "barge"}) as answer:
        assert answer.status == 201, await answer.text()
        code = (await answer.json())["code"]
    kept = await one_row(
        engine,
        "SELECT purpose, call_id, encode(code_digest, 'hex') AS digest,"
        " extract(epoch FROM expires_at - created_at)::int AS seconds FROM dial_codes",
    )
    assert kept is not None
    assert (kept["purpose"], kept["call_id"], kept["seconds"]) == ("barge", call_id, 60)
    assert code not in kept["digest"] and len(code) == 12
    async with admin.post(f"/calls/{call_id}/listen", data={"purpose": "shout"}) as answer:
        assert answer.status == 422


async def test_a_caller_is_blocked_once(admin: Client, engine: AsyncEngine, market: Market) -> None:
    call_id = await a_live_call(engine, market)
    async with admin.post(f"/calls/{call_id}/block", data={"reason": "rings ten times a day"}) as answer:
        assert "Blocked." in await answer.text()
    async with admin.post(f"/api/v1/calls/{call_id}/block-caller", json={}) as answer:
        assert await answer.json() == {"number": CALLER, "anew": False}
    rule = await one_row(engine, "SELECT kind, caller_sealed, reason FROM blocked_callers")
    assert (rule["kind"], number_in(rule), rule["reason"]) == ("number", CALLER, "rings ten times a day")


async def test_a_withheld_number_cannot_be_blocked(
    admin: Client, engine: AsyncEngine, market: Market
) -> None:
    call_id = await a_live_call(engine, market, caller_sealed=None)
    async with admin.post(f"/calls/{call_id}/block") as answer:
        assert answer.status == 409
        assert "withheld" in await answer.text()


class AsInANode(TestServer):
    """The pages as a node serves them: who leaves does not end what answers them."""

    async def _make_runner(self, **kwargs: Any) -> web.BaseRunner[web.Request]:
        return await super()._make_runner(**{**kwargs, "handler_cancellation": False})


async def test_a_viewer_who_leaves_before_the_board_is_there_is_no_outage(
    engine: AsyncEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "web.middleware")
    assert isinstance(await create_user(engine, EMAIL, PASSWORD, "admin"), UserCreated)
    app = make_app(engine, secure_cookies=False, snapshot_file=tmp_path / "market", prompts_dir=tmp_path)
    async with open_client(AsInANode(app)) as viewer:
        assert await sign_in(viewer) == 303
        async with engine.begin() as busy:
            await busy.execute(text("LOCK TABLE calls"))
            with pytest.raises(TimeoutError):
                # The answer waits for the board, the board for the table, the viewer not at all.
                await viewer.get("/live/events", timeout=ClientTimeout(total=0.5))
        async with asyncio.timeout(WAIT_SECONDS):
            while "/live/events" not in caplog.text:  # noqa: ASYNC110  the log is all that tells of it
                await asyncio.sleep(0.05)
    assert "the database does not answer" not in caplog.text
    assert "whoever asked has left" in caplog.text
