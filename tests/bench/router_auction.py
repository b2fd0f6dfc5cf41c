"""What an auction costs beyond the bidders' own time: `run_auction_bars`, a part of tests/bench/router.py.

Overhead is the wall time of an auction less the 100 ms for which each bidder keeps its question. The bidders run in a
process and on a core of their own (a real bidder has a machine of its own) and sign, as our own
dialect wants; that their timers are late on a busy machine counts against us, and what is left without it is told
beside. The auction runs on uvloop, as the agi process does. The yardstick is the same questions sent by a bare aiohttp
session in this very process.
Run alone: `python -m tests.bench.router_auction`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from uuid import uuid4

import aiohttp
import uvloop

from router.collector import leave_calls_in_peace
from router.domain.auction import AuctionResult, AuctionWanted, BidOutcome
from tests.bench.report import Bar, at_most, finish, percentile, progress, told
from tests.router.auctions import AuctionForTests, auction_between, endpoints_at, wanted_from
from tests.router.bidders import HELD_HEADER
from tests.router.markets import a_request

BIDDERS_OWN_MS = 100
AUCTIONS = 300
BARE_AUCTIONS = 90
RUNS = 3
MIXED_AUCTIONS = 100
MIXED_DEADLINE_MS = 300
CLOSING_MS = 20
MIXED = (
    *(f"/bid?amount={20 + number}&after_ms={after}" for number, after in enumerate((5, 20, 50, 100, 150, 200, 250))),
    "/bid?after_ms=299", "/bid?after_ms=301", "/bid?after_ms=900",
    "/hang", "/hang", "/stall", "/stall", "/drip", "/headers", "/garbage", "/garbage", "/no-http", "/deep",
    "/flood", "/flood", "/chunked-flood", "/redirect", "/close", "/wrong-signature", "/status?code=500",
)  # fmt: skip


@asynccontextmanager
async def our_own_core() -> AsyncIterator[None]:
    """Leave the last core to the bidders, where there is more than one."""
    all_cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, all_cores - {max(all_cores)} or all_cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_cores)


@asynccontextmanager
async def bidders_process() -> AsyncIterator[int]:
    """Run the bidders as a program; yields their port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.router.bidders",
        cwd=Path(__file__).parents[2],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None and process.stdin is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.stdin.close()
        await process.wait()


@dataclass(frozen=True, kw_only=True)
class Overheads:
    """What each auction of a run took."""

    wall_ms: list[float] = field(default_factory=list)
    """Beyond 100 ms."""
    without_lateness_ms: list[float] = field(default_factory=list)
    """Beyond the time the slowest bidder really kept its question."""
    cpu_ms: list[float] = field(default_factory=list)
    """Of this process: what is left of the wall time is other people's."""


async def _overheads(port: int, count: int) -> Overheads:
    """Hold auctions among `count` bidders, one after another."""
    urls = [f"http://127.0.0.1:{port}/bid?after_ms={BIDDERS_OWN_MS}&amount={20 + n}" for n in range(count)]
    wanted = wanted_from(range(1, count + 1), deadline_ms=2000)
    async with auction_between(endpoints_at(urls)) as house:
        await _warm(house, wanted)
        found = Overheads()
        for _ in range(AUCTIONS // RUNS):
            began = time.process_time()
            took = await _timed(lambda: _all_accepted(house, wanted))
            found.cpu_ms.append((time.process_time() - began) * 1000)
            found.wall_ms.append(took - BIDDERS_OWN_MS)
            found.without_lateness_ms.append(took - _slowest_ms(house))
            house.given.clear()
        return found


def _slowest_ms(house: AuctionForTests) -> float:
    """Return how long the slowest bidder kept its question: 100 ms and what its own timer was late."""
    answers = (given.args[0].answer for given in house.given if isinstance(given, partial))
    return max(int(answer.headers[HELD_HEADER.lower()]) for answer in answers) / 1000


async def _warm(house: AuctionForTests, wanted: AuctionWanted) -> None:
    for _ in range(3):
        await house.auction.run(wanted, a_request())
    house.given.clear()
    leave_calls_in_peace()  # as the agi process does once it is up


async def _all_accepted(house: AuctionForTests, wanted: AuctionWanted) -> AuctionResult:
    result = await house.auction.run(wanted, a_request(call_id=str(uuid4())))
    assert all(bid.outcome is BidOutcome.ACCEPTED for bid in result.bids), result
    return result


async def _bare_ms(port: int, count: int) -> list[float]:
    """The yardstick: the same number of questions by a bare session."""
    url = f"http://127.0.0.1:{port}/bid?after_ms={BIDDERS_OWN_MS}"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask() -> None:
            async with session.post(url, json={"kind": "ping", "ping_id": "x"}) as response:
                await response.read()

        async def ask_all() -> None:
            await asyncio.gather(*(ask() for _ in range(count)))

        await ask_all()
        return [await _timed(ask_all) - BIDDERS_OWN_MS for _ in range(BARE_AUCTIONS // RUNS)]


async def _timed(work: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await work()
    return (time.perf_counter() - began) * 1000


async def _overhead_bar(port: int, count: int, limit_ms: float) -> list[Bar]:
    measured: list[Overheads] = []
    bare: list[float] = []
    for run in range(RUNS):
        bare += await _bare_ms(port, count)
        measured.append(one := await _overheads(port, count))
        p99 = percentile(one.wall_ms, 99)
        progress(f"auction among {count}, run {run + 1}: p50 {median(one.wall_ms):.2f}, p99 {p99:.2f} ms")
    runs = [percentile(one.wall_ms, 99) for one in measured]
    name = f"auction overhead p99, {count} bidders"
    yardstick = f"bare aiohttp p50 {median(bare):.2f}, p99 {percentile(bare, 99):.2f} ms"
    cpu_ms = [ms for one in measured for ms in one.cpu_ms]
    kinder_ms = [ms for one in measured for ms in one.without_lateness_ms]
    return [
        at_most(name, median(runs), "ms", limit_ms, yardstick=yardstick, runs=runs),
        told(f"{name}, less the bidders' lateness", percentile(kinder_ms, 99), "ms"),
        told(
            f"auction overhead p50, {count} bidders",
            median(ms for one in measured for ms in one.wall_ms),
            "ms",
        ),
        told(f"CPU of an auction p50, {count} bidders", median(cpu_ms), "ms"),
        told(f"CPU of an auction p99, {count} bidders", percentile(cpu_ms, 99), "ms"),
    ]


async def _mixed_bars(port: int) -> list[Bar]:
    """Good and bad bidders in one stage: does every auction close in time, and does the best good bid win?"""
    wanted = wanted_from(range(1, len(MIXED) + 1), deadline_ms=MIXED_DEADLINE_MS)
    took: list[float] = []
    won = 0
    async with auction_between(endpoints_at([f"http://127.0.0.1:{port}{path}" for path in MIXED])) as house:
        for _ in range(MIXED_AUCTIONS):
            house.gate.forget()  # or most of these bidders would soon be rested
            results: list[AuctionResult] = []

            async def hold(results: list[AuctionResult] = results) -> None:
                results.append(await house.auction.run(wanted, a_request(call_id=str(uuid4()))))

            took.append(await _timed(hold))
            won += sum(bid.outcome is BidOutcome.ACCEPTED for bid in results[0].bids[:7])
    in_time = sum(ms <= MIXED_DEADLINE_MS + CLOSING_MS for ms in took) / len(took) * 100
    worst = max(took) - MIXED_DEADLINE_MS
    return [
        Bar(
            name=f"mixed auctions closed within deadline + {CLOSING_MS} ms",
            value=in_time,
            unit="%",
            bar=">= 100",
            holds=in_time >= 100,
            yardstick=f"{len(MIXED)} bidders, {len(took)} auctions, worst {worst:.1f} ms after the deadline",
        ),
        told("good bids of mixed auctions that arrived", won / (7 * MIXED_AUCTIONS) * 100, "%"),
    ]


async def _measure() -> list[Bar]:
    async with bidders_process() as port, our_own_core():
        return [
            *await _overhead_bar(port, 10, 5),
            *await _overhead_bar(port, 50, 15),
            *await _mixed_bars(port),
        ]


def run_auction_bars() -> list[Bar]:
    """Measure. Takes about two minutes."""
    return uvloop.run(_measure())


if __name__ == "__main__":
    sys.exit(finish("router-auction", run_auction_bars()))
