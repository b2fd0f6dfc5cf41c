"""Real calls on a real node: how long after the hang-up somebody else can see what the call cost."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.bench.calls import NUMBER, _start
from tests.bench.report import Bar, at_most, percentile, progress
from tests.bench.traffic import place_calls

RATE_PER_SECOND = 5
LOOK_SECONDS = 0.02
LONGEST_SECONDS = 60
_NEW = text(
    "SELECT c.id, extract(epoch FROM c.ended_at)::float8 AS ended FROM calls c"
    " JOIN ledger_transactions t ON t.call_id = c.id WHERE c.state = 'settled' AND NOT (c.id = ANY (:seen))"
)


async def posting_bars(folder: Path, calls: int) -> list[Bar]:
    """Place calls and look at the ledger again and again, as a page would."""
    async with AsyncExitStack() as stack:
        progress("starting a node for real calls")
        sides = await _start(stack, folder)
        looking = asyncio.create_task(_seen_after_ms(sides.engine, calls))
        await place_calls(sides.node.switch, NUMBER, folder, rate=RATE_PER_SECOND, calls=calls)
        spent = await looking
    return [
        at_most(
            "hang-up to posting visible, p99",
            percentile(spent, 99),
            "ms",
            1000,
            yardstick=f"{calls} calls at {RATE_PER_SECOND}/s",
            runs=[percentile(spent, 50)],
        )
    ]


async def _seen_after_ms(engine: AsyncEngine, calls: int) -> list[float]:
    """Return how long after its end each call's postings were seen; Asterisk's clock is this machine's."""
    seen: dict[object, float] = {}
    ends = time.monotonic() + calls / RATE_PER_SECOND + LONGEST_SECONDS
    while len(seen) < calls:
        assert time.monotonic() < ends, f"{len(seen)} of {calls} calls were settled"
        async with engine.connect() as connection:
            rows = (await connection.execute(_NEW, {"seen": list(seen)})).all()
        now = time.time()
        seen |= {row.id: (now - row.ended) * 1000 for row in rows}
        await asyncio.sleep(LOOK_SECONDS)
    return list(seen.values())
