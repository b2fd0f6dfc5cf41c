"""`make bench-web`: the pages over a million calls and 2,000 buyers, the live board's viewers, the editor's frames."""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
from aiohttp import ClientSession, ClientTimeout, CookieJar
from sqlalchemy import text, update

from billing.rollups_queries import rebuild
from ivr_flows.publishing import save_draft
from store.session import open_engine
from store.tables import users
from tests.bench import web_market
from tests.bench.report import Bar, at_least, at_most, finish, percentile, progress, told
from tests.bench.web_editor import big_flow, editor_fps
from tests.postgres import AS_A_NODE_BUT_FAST, cloned_database, server_for_tests
from tests.sealed import sealed
from tests.web.browser import open_browser, open_visit
from web.auth import UserCreated, create_user

CALLS = 50_000 if os.environ.get("QUICK") else 1_000_000
PARTS = os.environ.get("PARTS", "pages live editor").split()
ROUNDS = 23
"""The first two of a page are not counted: they compile what later ones use."""
VIEWERS, WATCHED_SECONDS, MOVES_PER_SECOND = 200, 15, 5
PASSWORD = "correct horse battery"
DESK = {"width": 1600, "height": 1000}
SKIPPED = (
    "/events",
    "/ws",
    "/stream",
    "/export",
    ".csv",
    ".xlsx",
    ".pdf",
    "/sound",
    "/recording",
    "/static",
    "/check_invoice.py",
)
"""What is no page: streams, files and sounds."""
ASKED = (
    "/reports?by=buyer&then=day",
    "/reports?by=buyer&then=state&table=pivot",
    "/reports?by=day&then=hour&table=pivot",
    "/money/wallets?q=ohio",
    "/calls?caller=555",
    "/calls?recorded=yes",
)
"""Pages whose addresses ask for much; the routes alone do not name them."""


async def _people(database_url: str) -> None:
    engine = open_engine(database_url, application_name="bench")
    for role in ("admin", "buyer", "publisher"):
        made = await create_user(engine, f"{role}@example.com", PASSWORD, role)
        assert isinstance(made, UserCreated)
        belongs = {"buyer": {"buyer_id": 7}, "publisher": {"publisher_id": 7}}.get(role)
        if belongs:
            async with engine.begin() as connection:
                await connection.execute(update(users).where(users.c.id == made.user_id).values(belongs))
    await engine.dispose()
    await _fold(database_url)


async def _fold(database_url: str) -> None:
    """Make the reports' sums, however long that takes."""
    engine = open_engine(database_url, application_name="bench", patient=True)
    async with engine.begin() as connection:
        await rebuild(connection)
    await engine.dispose()


@asynccontextmanager
async def _served(database_url: str, folder: Path) -> AsyncIterator[tuple[str, psutil.Process]]:
    """Run the web as a process of its own, as a node does; yield its address and the process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.web_server", database_url, str(folder)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        address = (await process.stdout.readline()).decode().strip()
        yield address, psutil.Process(process.pid)
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def _signed_in(address: str, role: str) -> AsyncIterator[ClientSession]:
    async with ClientSession(
        address,
        cookie_jar=CookieJar(unsafe=True),
        headers={"Sec-Fetch-Site": "same-origin"},
        timeout=ClientTimeout(total=60),
        # What counts is what went over the wire.
        auto_decompress=False,
    ) as session:
        form = {"email": f"{role}@example.com", "password": PASSWORD}
        async with session.post("/sign-in", data=form) as answer:
            assert answer.status == 200, answer.status
        yield session


async def _pages(address: str, call_id: str) -> Sequence[tuple[str, str]]:
    """Return (role, path) of every page, from the routes themselves."""
    async with ClientSession(address) as session, session.get("/bench/routes") as answer:
        routes = await answer.json()
    found = []
    for path, roles in routes:
        if path.endswith(SKIPPED) or any(part in path for part in ("/sound", "/static", "/api/v1")):
            continue
        role = next((role for role in ("admin", "buyer", "publisher") if role in roles), None)
        if role is not None:
            found.append((role, _address(path, call_id)))
    return [*found, *(("admin", path) for path in ASKED)]


def _address(path: str, call_id: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: call_id if found[1] == "call_id" else "7", path)


async def _time(session: ClientSession, path: str) -> tuple[float, int, int]:
    """Return (milliseconds, status, bytes) of one request."""
    began = time.perf_counter()
    async with session.get(path) as answer:
        body = await answer.read()
        return (time.perf_counter() - began) * 1e3, answer.status, len(body)


async def _page_bars(address: str, call_id: str) -> list[Bar]:
    pages = await _pages(address, call_id)
    async with (
        _signed_in(address, "admin") as admin,
        _signed_in(address, "buyer") as buyer,
        _signed_in(address, "publisher") as publisher,
    ):
        sessions = {"admin": admin, "buyer": buyer, "publisher": publisher}
        weight = 0
        for name in ("tollbridge.css", "tollbridge.js", "vendor/htmx.min.js"):
            weight += (await _time(admin, f"/static/{name}"))[2]
        slow: list[tuple[float, str]] = []
        heavy: list[tuple[int, str]] = []
        for role, path in pages:
            shown = [await _time(sessions[role], path) for _ in range(ROUNDS)]
            if shown[-1][1] != 200:
                continue
            spent = [one[0] for one in shown[2:]]
            slow.append((percentile(spent, 95), f"{path} as {role}"))
            heavy.append((shown[-1][2] + weight, f"{path} as {role}"))
        filtered = [
            (await _time(admin, f"/calls?outcome=sold&campaign={1 + number % 20}&state=OH"))[0]
            for number in range(40)
        ][2:]
    slow.sort(reverse=True)
    heavy.sort(reverse=True)
    for milliseconds, page in slow[:8]:
        progress(f"{milliseconds:7.1f} ms  {page}")
    return [
        told("pages tried", len(slow), "pages"),
        at_most("the slowest page, p95", slow[0][0], "ms", 80, yardstick=slow[0][1]),
        told("pages, median of their p95", statistics.median(one[0] for one in slow), "ms"),
        at_most("the heaviest page", heavy[0][0] / 1000, "kB", 150, yardstick=heavy[0][1]),
        at_most("calls list with three filters, p95", percentile(filtered, 95), "ms", 120),
    ]


async def _watch(session: ClientSession, got: list[int]) -> None:
    async with session.get("/live/events") as answer:
        assert answer.status == 200, answer.status
        async for chunk in answer.content.iter_any():
            got[0] += len(chunk)


async def _live_bars(database_url: str, address: str, process: psutil.Process) -> list[Bar]:
    """Let 200 people watch while calls move; say what that costs beside nobody watching."""
    engine = open_engine(database_url, application_name="bench")
    got = [0]
    async with _signed_in(address, "admin") as session:
        # One session of the browser, many windows of it: what counts is the streams.
        session._connector._limit = 0  # type: ignore[union-attr]
        idle = await _cpu_while_calls_move(engine, process)
        watching = [asyncio.create_task(_watch(session, got)) for _ in range(VIEWERS)]
        await asyncio.sleep(3)
        busy = await _cpu_while_calls_move(engine, process)
        alive = sum(not task.done() for task in watching)
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    await engine.dispose()
    return [
        at_most(
            f"{VIEWERS} viewers of the live board, of a core",
            busy - idle,
            "%",
            15,
            yardstick=f"{MOVES_PER_SECOND} moves a second, {alive} still watching, {got[0] / 1e6:.1f} MB sent,"
            f" nobody watching {idle:.1f} %",
        )
    ]


async def _cpu_while_calls_move(engine: Any, process: psutil.Process) -> float:
    """Return the share of a core the web took, in %, while calls began and ended."""
    before = sum(process.cpu_times()[:2])
    began = time.perf_counter()
    for number in range(WATCHED_SECONDS * MOVES_PER_SECOND):
        await asyncio.sleep(max(0.0, began + number / MOVES_PER_SECOND - time.perf_counter()))
        async with engine.begin() as connection:
            await connection.execute(
                text(
                    "WITH made AS (INSERT INTO calls (id, linkedid, node, dialled, caller_sealed, campaign_id,"
                    " publisher_id, started_at, state) VALUES (gen_random_uuid(), gen_random_uuid()::text, 'c',"
                    " '+18005550001', :caller, 1, 1, now(), 'in_progress') RETURNING id)"
                    " SELECT pg_notify('tollbridge_calls', id::text) FROM made"
                ),
                {"caller": sealed("+16145550100")},
            )
    return (sum(process.cpu_times()[:2]) - before) / (time.perf_counter() - began) * 100


async def _editor_bars(database_url: str, address: str) -> list[Bar]:
    """Frames a second of the editor with 300 nodes, in Chromium."""
    engine = open_engine(database_url, application_name="bench")
    await save_draft(engine, "big", big_flow(), by="bench")
    await engine.dispose()
    async with open_browser() as browser, open_visit(browser, address, viewport=DESK) as visit:
        await visit.sign_in("admin@example.com", PASSWORD)
        await visit.go("/flows/big/edit")
        fps = [await editor_fps(visit.page) for _ in range(3)]
    return [at_least("the flow editor with 300 nodes", statistics.median(fps), "frames/s", 50, runs=fps)]


async def _measure(database_url: str, folder: Path) -> list[Bar]:
    await _people(database_url)
    engine = open_engine(database_url, application_name="bench")
    async with engine.connect() as connection:
        sold = "SELECT id FROM calls WHERE outcome = 'sold' AND buyer_id = 7 ORDER BY started_at DESC LIMIT 1"
        call_id = str(await connection.scalar(text(sold)) or "")
    await engine.dispose()
    bars: list[Bar] = []
    async with _served(database_url, folder) as (address, process):
        if "pages" in PARTS:
            progress("pages")
            bars += await _page_bars(address, call_id)
        if "live" in PARTS:
            progress(f"{VIEWERS} viewers")
            bars += await _live_bars(database_url, address, process)
        if "editor" in PARTS:
            progress("the editor")
            bars += await _editor_bars(database_url, address)
    return bars


def main() -> int:
    with (
        server_for_tests(AS_A_NODE_BUT_FAST) as server_url,
        cloned_database(server_url) as database_url,
        tempfile.TemporaryDirectory() as folder,
    ):
        web_market.fill(database_url, CALLS)
        return finish("web", asyncio.run(_measure(database_url, Path(folder))))


if __name__ == "__main__":
    sys.exit(main())
