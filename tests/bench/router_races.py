"""Races for the last room of every kind of cap, and strict turns taken by several processes at once."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

import uvloop
from sqlalchemy.ext.asyncio import AsyncEngine

from router.domain.market import Snapshot
from router.route_call import Router
from router.snapshot import CurrentSnapshot
from store.session import open_engine
from tests.bench.report import Bar, at_most, progress
from tests.postgres import execute
from tests.router.markets import a_campaign, a_licence, a_market, a_request, a_target, snapshot_of

CALLERS, ROOM, RUNS = 64, 10, 20
TURNS, TURN_PROCESSES, TURN_TARGETS = 10_000, 4, 7

KINDS = (
    ("concurrency", None),
    ("attempts", "hour"),
    ("connections", "day"),
    ("conversions", "week"),
    ("revenue", "month"),
    ("attempts", "total"),
)
OWNERS = ("target", "buyer", "campaign", "publisher", "group")
PATIENCE_SECONDS = 20.0
PRICE_MICROS = 20_000_000


@dataclass(frozen=True)
class Fixed:
    """A snapshot that stays, for a Router."""

    current: Snapshot


def capped_market(owner: str, kind: str, period: str | None) -> dict[str, Any]:
    """One target with room for all, but for one cap of ten."""
    market = a_market([a_target(1, concurrency_cap=1000)], [a_licence(1)], a_campaign([[(1, 1)]]))
    cap = {"id": 1, "owner": owner, "owner_id": 1, "kind": kind, "period": period, "range_name": None}
    cap["at_most"] = ROOM * PRICE_MICROS if kind == "revenue" else ROOM
    terms = {
        "buyer_id": 1,
        "campaign_id": 1,
        "goes_live_at": "2020-01-01T00:00:00+00:00",
        "price_micros": PRICE_MICROS,
    }
    groups = [{"id": 1, "time_zone": "UTC", "targets": [1]}]
    return {**market, "caps": [cap], "terms": [terms], "groups": groups}


def _router(engine: AsyncEngine, market: object) -> Router:
    """One with time: what is looked at is who gets in, not how soon."""
    return Router(engine, cast("CurrentSnapshot", market), database_seconds=PATIENCE_SECONDS)


async def _race(router: Router) -> int:
    now = datetime.now(UTC)
    routed = await asyncio.gather(
        *(
            router.route_call(a_request(call_id=str(uuid4()), publisher_id=1, now=now), 1)
            for _ in range(CALLERS)
        )
    )
    return sum(one.leased for one in routed)


@dataclass
class Changing:
    """A snapshot that is another for every race."""

    current: Snapshot


async def race_bars(database_url: str) -> list[Bar]:
    """64 callers at once for ten places of every kind of cap, each owner in turn, over twenty runs."""
    engine = open_engine(database_url, application_name="bench", pool_size=CALLERS // 2)
    market = Changing(snapshot_of(capped_market(OWNERS[0], *KINDS[0])))
    router = _router(engine, market)
    await _race(router)  # connections opened, statements prepared
    wrong, races = 0, 0
    for run in range(RUNS):
        progress(f"races, run {run + 1} of {RUNS}")
        for number, (kind, period) in enumerate(KINDS):
            owner = OWNERS[(run + number) % len(OWNERS)]
            market.current = snapshot_of(capped_market(owner, kind, period))
            execute(database_url, "TRUNCATE leases")
            execute(database_url, "UPDATE cap_counters SET used = 0, period_start = 0")
            admitted = await _race(router)
            races += 1
            if admitted != ROOM:
                wrong += 1
                progress(f"run {run + 1}: {owner} {kind} {period}: {admitted} admitted")
    await engine.dispose()
    return [at_most("races for a cap of 10 that did not admit 10", wrong, f"of {races}", 0)]


def turn_market() -> dict[str, Any]:
    ids = range(1, TURN_TARGETS + 1)
    market = a_market(
        [a_target(one, concurrency_cap=1_000_000) for one in ids],
        [a_licence(one) for one in ids],
        a_campaign([[(one, 1) for one in ids]]),
    )
    market["campaigns"][0]["stages"][0] |= {"method": "round_robin", "id": 5}
    return market


def take_turns(database_url: str, count: int) -> dict[int, int]:
    """Route `count` calls of one round-robin stage, several at once; return how many each target got."""
    return uvloop.run(_take_turns(database_url, count))


async def _take_turns(database_url: str, count: int) -> dict[int, int]:
    engine = open_engine(database_url, application_name="bench", pool_size=4)
    router = _router(engine, Fixed(snapshot_of(turn_market())))
    got: Counter[int] = Counter()
    left = count

    async def caller() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            routed = await router.route_call(a_request(call_id=str(uuid4()), now=datetime.now(UTC)), 1)
            assert routed.leased and routed.decision.chosen is not None, routed.problem
            got[routed.decision.chosen.target_id] += 1

    await asyncio.gather(*(caller() for _ in range(2)))
    await engine.dispose()
    return dict(got)


def turn_bars(database_url: str, calls: int = TURNS) -> list[Bar]:
    """Round robin from several processes: nobody gets more than one call more than another."""
    execute(database_url, "TRUNCATE cap_counters, leases, target_history, stage_turns, stage_passes")
    context = multiprocessing.get_context("spawn")
    shares: Counter[int] = Counter()
    with ProcessPoolExecutor(TURN_PROCESSES, mp_context=context) as pool:
        jobs = [pool.submit(take_turns, database_url, calls // TURN_PROCESSES) for _ in range(TURN_PROCESSES)]
        for job in jobs:
            shares.update(job.result())
    progress(f"round robin: {dict(sorted(shares.items()))}")
    spread = max(shares.values()) - min(shares.values())
    return [at_most(f"round robin over {calls} calls, spread of shares", spread, "calls", 1)]
