"""`make bench-calls`: what we add to a call, beside the same Asterisk with a dialplan that only dials.

A whole node (PostgreSQL, Asterisk, agi, speech, worker) and a bare Asterisk run side by side; SIPp calls them in turn,
10 and 50 calls/s, three runs each, without media, through a flow without prompts. Post-dial delay is read from CEL
clocks: the caller's channel to the buyer's. CPU is that of every process of each side, from first call to last
settlement.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ivr_flows.library import load
from rules.places import STATE_CODES
from tests.bench.bare_asterisk import BareAsterisk, bare_asterisk
from tests.bench.report import Bar, at_most, finish, percentile, progress, told
from tests.bench.traffic import SCENARIOS, place_calls, set_up_delays_ms
from tests.calls.node import AGI, ASTERISK, SPEECH, WORKER, Node, settings_on_free_ports
from tests.postgres import migrated
from tollbridge.phone.sipp_buyer import SippBuyer
from tollbridge.postgres import postgres_process, start_embedded_postgres, stop_embedded_postgres
from tollbridge.sample_market.market import SampleBuyer, SampleMarket, SampleTarget
from tollbridge.sample_market.queries import seed_market

NUMBER = "+18005550100"
RATES = (10, 50)
RUNS = 3
SECONDS_A_RUN = 8
LIVE_CALLS = 50
RTP_PORTS = 1_200
SETTLE_SECONDS = 30.0


@dataclass(kw_only=True)
class Measured:
    """What the runs at one rate came to, ours beside the bare one."""

    ours_ms: list[float] = field(default_factory=list)
    bare_ms: list[float] = field(default_factory=list)
    added_p50_ms: list[float] = field(default_factory=list)
    added_p99_ms: list[float] = field(default_factory=list)
    node_cpu_ms: list[float] = field(default_factory=list)
    path_cpu_ms: list[float] = field(default_factory=list)
    bare_cpu_ms: list[float] = field(default_factory=list)


@dataclass(kw_only=True)
class Sides:
    """Both switches, ready for calls."""

    node: Node
    bare: BareAsterisk
    engine: AsyncEngine
    folder: Path


async def measure(folder: Path) -> list[Bar]:
    """Start both sides, call them, and return the bars."""
    async with AsyncExitStack() as stack:
        progress("starting a node and a bare Asterisk")
        sides = await _start(stack, folder)
        idle_mb = _memory_mb(_node_processes(sides.node))
        measured = {rate: Measured() for rate in RATES}
        for run in range(RUNS):
            for rate in RATES:
                progress(f"run {run + 1} of {RUNS}, {rate} calls/s")
                await _run(sides, rate, measured[rate])
        per_call_mb = await _memory_a_call(sides)
    bars = [bar for rate in RATES for bar in _bars(rate, measured[rate])]
    bars.append(at_most("failed calls", 0, "calls", 0, yardstick="SIPp counts; one would have ended the run"))
    bars.append(told("memory of the idle node", idle_mb, "MB", yardstick="PSS of all its processes"))
    bars.append(told("memory of a live call", per_call_mb, "MB", yardstick=f"{LIVE_CALLS} at once"))
    return bars


async def _start(stack: AsyncExitStack, folder: Path) -> Sides:
    data_dir = folder / "node"
    data_dir.mkdir(mode=0o755)
    node = Node(settings=settings_on_free_ports(data_dir, rtp_ports=RTP_PORTS), database_url="")
    stack.callback(stop_embedded_postgres, node.layout.postgres_dir)
    node.database_url = migrated(start_embedded_postgres(node.layout.postgres_dir))
    node.settings = node.settings.model_copy(update={"database_url": node.database_url})
    buyer = await stack.enter_async_context(
        SippBuyer.playing(SCENARIOS / "buyer.xml", folder / "buyer", name="buyer", traced=False)
    )
    engine = node.engine()
    stack.push_async_callback(engine.dispose)
    seeded = await seed_market(engine, _market(buyer.sip_uri))
    stack.callback(node.stop_all)
    await node.up(ASTERISK, SPEECH, AGI, WORKER)
    await node.market_is_live(tuple(seeded.target_ids.values()))
    bare = await stack.enter_async_context(
        bare_asterisk(
            settings_on_free_ports(folder, rtp_ports=RTP_PORTS), folder / "bare", buyer_uri=buyer.sip_uri
        )
    )
    return Sides(node=node, bare=bare, engine=engine, folder=folder)


def _market(buyer_uri: str) -> SampleMarket:
    target = SampleTarget(name="Desk", sip_uri=buyer_uri, priority=0, concurrency_cap=5_000)
    buyer = SampleBuyer(
        name="Everywhere", nmls_id="900001", states=STATE_CODES, targets=(target,), minimum_connected_ms=500
    )
    return SampleMarket(
        campaign="Bench", number=NUMBER, flow_name="direct", flow=load("direct"), buyers=(buyer,)
    )


async def _run(sides: Sides, rate: int, measured: Measured) -> None:
    calls = rate * SECONDS_A_RUN
    bare_cpu, bare_ms = await _run_bare(sides, rate, calls)
    node_cpu, path_cpu, ours_ms = await _run_ours(sides, rate, calls)
    measured.ours_ms += ours_ms
    measured.bare_ms += bare_ms
    measured.added_p50_ms.append(percentile(ours_ms, 50) - percentile(bare_ms, 50))
    measured.added_p99_ms.append(percentile(ours_ms, 99) - percentile(bare_ms, 50))
    measured.node_cpu_ms.append(node_cpu * 1000 / calls)
    measured.path_cpu_ms.append(path_cpu * 1000 / calls)
    measured.bare_cpu_ms.append(bare_cpu * 1000 / calls)


async def _run_bare(sides: Sides, rate: int, calls: int) -> tuple[float, list[float]]:
    from_byte = _size(sides.bare.cel_file)
    processes = [psutil.Process(sides.bare.pid)]
    before = _cpu_seconds(processes)
    await place_calls(sides.bare.switch, NUMBER, sides.folder, rate=rate, calls=calls)
    await asyncio.sleep(0.5)
    cpu = _cpu_seconds(processes) - before
    return cpu, _complete(set_up_delays_ms(sides.bare.cel_file, from_byte), calls)


async def _run_ours(sides: Sides, rate: int, calls: int) -> tuple[float, float, list[float]]:
    cel_file = sides.node.layout.cel_file
    from_byte = _size(cel_file)
    settled = await _settled(sides.engine) + calls
    processes = _node_processes(sides.node)
    path = _family(sides.node, ASTERISK) + _family(sides.node, AGI)
    before, path_before, began = _cpu_seconds(processes), _cpu_seconds(path), time.monotonic()
    await place_calls(sides.node.switch, NUMBER, sides.folder, rate=rate, calls=calls)
    while await _settled(sides.engine) < settled:
        assert time.monotonic() - began < calls / rate + SETTLE_SECONDS, "calls were not settled"
        await asyncio.sleep(0.2)
    cpu, path_cpu = _cpu_seconds(processes) - before, _cpu_seconds(path) - path_before
    return cpu, path_cpu, _complete(set_up_delays_ms(cel_file, from_byte), calls)


async def _settled(engine: AsyncEngine) -> int:
    query = text("select count(*) from calls where state = 'settled' and outcome = 'sold'")
    async with engine.connect() as connection:
        return int((await connection.execute(query)).scalar_one())


async def _memory_a_call(sides: Sides) -> float:
    """Return what one live call adds, from a crowd that stays on the line."""
    processes = _node_processes(sides.node)
    before = _memory_mb(processes)
    calling = asyncio.create_task(
        place_calls(sides.node.switch, NUMBER, sides.folder, rate=LIVE_CALLS, calls=LIVE_CALLS, hold_ms=5_000)
    )
    await asyncio.sleep(3)
    during = _memory_mb(processes)
    await calling
    return (during - before) / LIVE_CALLS


def _bars(rate: int, measured: Measured) -> list[Bar]:
    at = f"at {rate} calls/s"
    bare_p50 = percentile(measured.bare_ms, 50)
    bare_cpu = statistics.median(measured.bare_cpu_ms)
    node = [ours / bare for ours, bare in zip(measured.node_cpu_ms, measured.bare_cpu_ms, strict=True)]
    path = [ours / bare for ours, bare in zip(measured.path_cpu_ms, measured.bare_cpu_ms, strict=True)]
    delay = f"over the bare dialplan's p50 of {bare_p50:.1f} ms"
    cpu = f"the bare Asterisk takes {bare_cpu:.1f} ms a call"
    p50, p99 = measured.added_p50_ms, measured.added_p99_ms
    return [
        at_most(f"added delay p50 {at}", statistics.median(p50), "ms", 10, yardstick=delay, runs=p50),
        at_most(f"added delay p99 {at}", statistics.median(p99), "ms", 50, yardstick=delay, runs=p99),
        at_most(
            f"CPU of the call path {at}",
            statistics.median(path),
            "x",
            1.5,
            yardstick=f"Asterisk and agi; {cpu}",
            runs=path,
        ),
        told(
            f"CPU of the whole node {at}",
            statistics.median(node),
            "x",
            yardstick=f"with settlement; {cpu}",
            runs=node,
        ),
    ]


def _complete(delays: list[float], calls: int) -> list[float]:
    assert len(delays) == calls, f"{len(delays)} of {calls} calls reached the buyer"
    return delays


def _family(node: Node, name: str) -> list[psutil.Process]:
    process = psutil.Process(node.processes[name].pid)
    return [process, *process.children(recursive=True)]


def _node_processes(node: Node) -> list[psutil.Process]:
    postgres = postgres_process(node.layout.postgres_dir)
    assert postgres is not None
    families = [process for name in (ASTERISK, AGI, SPEECH, WORKER) for process in _family(node, name)]
    return [*families, postgres, *postgres.children(recursive=True)]


def _cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """Return the CPU time used so far; a process that has ended meanwhile counts in its parent."""
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _memory_mb(processes: Iterable[psutil.Process]) -> float:
    return sum(process.memory_full_info().pss for process in processes) / 1e6


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def main() -> int:
    # PostgreSQL runs as a user of its own when we are root: the folder must be open to it.
    with tempfile.TemporaryDirectory(prefix="tbbench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "buyer").mkdir()
        return finish("calls", asyncio.run(measure(folder)))


if __name__ == "__main__":
    sys.exit(main())
