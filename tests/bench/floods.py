"""`make bench-floods`: real pings beside wrong keys, pages beside pings, and a crowd at the door.

The web and the pings process run as a node runs them; anyone who floods comes from many addresses of 127.0.0.0/8.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psutil
from aiohttp import ClientError, ClientSession, ClientTimeout, CookieJar, TCPConnector
from sqlalchemy import text

from router.domain.ping_limits import PingLimits
from store.session import open_engine
from tests.bench.report import Bar, at_most, finish, percentile, progress, told
from tests.postgres import AS_A_NODE_BUT_FAST, cloned_database, server_for_tests
from tests.web.rtb.conftest import CAMPAIGN, OHIO, PUBLISHER, a_market
from tollbridge.phone import ports
from tollbridge.sample_market.queries import seed_market
from web.auth import UserCreated, create_user
from web.rtb.publisher_keys import KeyMade, KeyWanted, add_key

SECONDS = float(os.environ.get("SECONDS", "10"))
WRONG_KEYS_PER_SECOND = 200
REAL_PINGS_PER_SECOND = 5
PAGES_PER_SECOND = 10
PINGS_AT_ONCE = 40
CROWD = 200
EMAIL, PASSWORD = "ada@example.com", "correct horse battery"
PROCESSES = os.environ.get("PROCESSES", "pings web").split()

_callers = itertools.count(6_145_550_000)


class House:
    """The processes, and how strangers and friends ask them."""

    def __init__(self, address: str, key: str, database_url: str, web: psutil.Process) -> None:
        self.address, self.key, self.database_url, self.web = address, key, database_url, web

    async def ping(self, session: ClientSession) -> tuple[float, int]:
        """Return how long a ping took, in milliseconds, and the status of its answer."""
        body = {"kind": "ping", "ping_id": "p", "answers": OHIO, "caller": f"+1{next(_callers)}"}
        return await _timed(session, "POST", f"{self.address}/rtb/{self.key}", json=body)

    async def wrong(self, session: ClientSession, number: int) -> tuple[float, int]:
        return await _timed(session, "POST", f"{self.address}/rtb/tbk_{number:043d}", json={})

    async def page(self, session: ClientSession) -> tuple[float, int]:
        return await _timed(session, "GET", f"{self.address}/buyers")

    async def connections(self) -> int:
        """Return how many connections of the web and pings there are."""
        engine = open_engine(self.database_url, application_name="bench", pool_size=1)
        async with engine.connect() as connection:
            count = await connection.scalar(
                text("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'tollbridge-%'")
            )
        await engine.dispose()
        return int(count or 0)


async def _timed(session: ClientSession, method: str, address: str, **more: object) -> tuple[float, int]:
    began = time.perf_counter()
    try:
        async with session.request(method, address, **more) as answer:  # type: ignore[arg-type]
            await answer.read()
            status = answer.status
    except (ClientError, TimeoutError, OSError):
        status = 0
    return (time.perf_counter() - began) * 1000, status


async def _at_rate(
    ask: Callable[[int], Awaitable[tuple[float, int]]], per_second: float
) -> list[tuple[float, int]]:
    """Ask at this rate for SECONDS, whether answers come or not."""
    began, asked = time.perf_counter(), list[asyncio.Future[tuple[float, int]]]()
    for number in range(int(SECONDS * per_second)):
        await asyncio.sleep(began + number / per_second - time.perf_counter())
        asked.append(asyncio.ensure_future(ask(number)))
    return await asyncio.gather(*asked)


@asynccontextmanager
async def _strangers(count: int) -> AsyncIterator[list[ClientSession]]:
    """Sessions from addresses of their own."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                ClientSession(
                    connector=TCPConnector(local_addr=(f"127.0.1.{n + 1}", 0), limit=0),
                    timeout=ClientTimeout(total=30),
                    headers={"Sec-Fetch-Site": "same-origin"},
                )
            )
            for n in range(count)
        ]


@asynccontextmanager
async def _friend(house: House) -> AsyncIterator[ClientSession]:
    """Somebody who has signed in."""
    async with ClientSession(
        cookie_jar=CookieJar(unsafe=True),
        headers={"Sec-Fetch-Site": "same-origin"},
        timeout=ClientTimeout(total=30),
        connector=TCPConnector(limit=0),
    ) as session:
        assert await _sign_in(house, session, PASSWORD) in (200, 303)
        yield session


async def _sign_in(house: House, session: ClientSession, password: str) -> int:
    form = {"email": EMAIL, "password": password}
    return (await _timed(session, "POST", f"{house.address}/sign-in", data=form))[1]


async def measure(house: House) -> list[Bar]:
    bars: list[Bar] = []
    async with _friend(house) as friend, _strangers(100) as strangers:
        progress("pings alone, and beside wrong keys")
        alone = await _at_rate(lambda _: house.ping(friend), REAL_PINGS_PER_SECOND)
        beside, flood = await asyncio.gather(
            _at_rate(lambda _: house.ping(friend), REAL_PINGS_PER_SECOND),
            _at_rate(lambda n: house.wrong(strangers[n % 100], n), WRONG_KEYS_PER_SECOND),
        )
        bars += _compared("real pings beside wrong keys", alone, beside)
        bars.append(told("wrong keys refused, p99", percentile([ms for ms, _ in flood], 99), "ms"))
        bars.append(
            told("real pings answered", sum(status == 200 for _, status in beside) / len(beside), "share")
        )

        progress("pages alone, and beside a flood of pings")
        quiet = await _at_rate(lambda _: house.page(friend), PAGES_PER_SECOND)
        flooding = [asyncio.ensure_future(_ping_on(house, strangers[n])) for n in range(PINGS_AT_ONCE)]
        pages = await _at_rate(lambda _: house.page(friend), PAGES_PER_SECOND)
        connections = await house.connections()
        counts = sum(await asyncio.gather(*flooding), Counter[int]())
        bars += _compared("pages beside pings", quiet, pages)
        bars.append(told("pings of the flood answered", counts[200] / SECONDS, "/s"))
        bars.append(told("connections to PostgreSQL", connections, "connections"))
    async with _friend(house) as friend, _strangers(CROWD) as strangers:
        bars += await _crowd(house, friend, strangers)
    return bars


async def _ping_on(house: House, session: ClientSession) -> Counter[int]:
    counts, until = Counter[int](), time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        counts[(await house.ping(session))[1]] += 1
    return counts


async def _crowd(house: House, friend: ClientSession, strangers: list[ClientSession]) -> list[Bar]:
    progress("a crowd at the door")
    began, peak = time.perf_counter(), 0
    crowd = [asyncio.ensure_future(_sign_in(house, one, "wrong")) for one in strangers]
    await asyncio.sleep(0.5)
    knocked = time.perf_counter()
    owner = asyncio.ensure_future(_sign_in(house, friend, PASSWORD))
    waited = 0.0
    while not all(one.done() for one in crowd):
        peak = max(peak, house.web.memory_info().rss)
        if owner.done() and not waited:
            waited = time.perf_counter() - knocked
        await asyncio.sleep(0.05)
    status = await owner
    waited = waited or time.perf_counter() - knocked
    answers = Counter(one.result() for one in crowd)
    progress(f"crowd: {dict(answers)}; the owner: {status} after {waited:.1f} s")
    return [
        told("crowd answered", time.perf_counter() - began, "s"),
        told("crowd sent away at once (503)", answers[503], "of 200"),
        told("owner's answer beside the crowd", status, "status"),
        at_most("a known owner signs in beside the crowd", waited, "s", 3.0),
        told("memory of the web", peak / 2**20, "MB"),
    ]


def _compared(name: str, alone: list[tuple[float, int]], beside: list[tuple[float, int]]) -> list[Bar]:
    before = percentile([ms for ms, _ in alone], 99)
    after = percentile([ms for ms, _ in beside], 99)
    return [
        told(f"{name}: p99 alone", before, "ms"),
        told(f"{name}: p50", percentile([ms for ms, _ in beside], 50), "ms"),
        at_most(f"{name}: p99", after, "ms", max(300.0, 3 * before), yardstick=f"{before:.0f} ms alone"),
    ]


@asynccontextmanager
async def _node(database_url: str, folder: Path) -> AsyncIterator[House]:
    port, pings_port = ports.free_tcp_port(), ports.free_tcp_port()
    environment = os.environ | {
        "TOLLBRIDGE_DATABASE_URL": database_url,
        "TOLLBRIDGE_DATA_DIR": str(folder),
        "TOLLBRIDGE_SECRET": "a-secret-of-the-bench",
        "TOLLBRIDGE_WEB_PORT": str(port),
        "TOLLBRIDGE_PINGS_PORT": str(pings_port),
        "TOLLBRIDGE_LOG_LEVEL": "ERROR",
    }
    started = []
    key = await _seed(database_url)
    try:
        for name in PROCESSES:
            command = (sys.executable, "-m", "tollbridge", "run", name)
            started.append(await asyncio.create_subprocess_exec(*command, env=environment))
        address = f"http://127.0.0.1:{port}"
        async with ClientSession() as session:
            house = House(address, key, database_url, psutil.Process(started[-1].pid))
            await _answering(house, session, started)
        yield house
    finally:
        for process in started:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _answering(house: House, session: ClientSession, started: list[asyncio.subprocess.Process]) -> None:
    """Wait until pings are answered: each process reads the market first."""
    status = 0
    for _ in range(400):
        status = (await house.ping(session))[1]
        if status == 200:
            return
        if any(process.returncode is not None for process in started):
            raise RuntimeError("a process ended before it answered a ping")
        await asyncio.sleep(0.3)
    raise TimeoutError(f"no ping is answered: the last status was {status}")


async def _seed(database_url: str) -> str:
    engine = open_engine(database_url, application_name="bench")
    await seed_market(engine, a_market(cap=5_000, desks=5))
    assert isinstance(await create_user(engine, EMAIL, PASSWORD, "admin"), UserCreated)
    made = await add_key(
        engine,
        KeyWanted(
            publisher=PUBLISHER,
            campaign=CAMPAIGN,
            dialect="tollbridge",
            rate_per_minute=100_000,
            limits=PingLimits(open_most=1_000, room_share_percent=100),
            reservation_seconds=5,
        ),
    )
    assert isinstance(made, KeyMade), made
    await engine.dispose()
    return made.key


async def main() -> int:
    with (
        server_for_tests(AS_A_NODE_BUT_FAST) as server_url,
        cloned_database(server_url) as database_url,
        tempfile.TemporaryDirectory() as folder,
    ):
        async with _node(database_url, Path(folder)) as house:
            return finish("floods", await measure(house))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
