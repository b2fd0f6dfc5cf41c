"""Who watches: one connection for all, drawn once a kind, and nobody holds up another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.web.live.calls import a_live_call, ends, one_row, waits
from tests.web.market import Market
from web.live import hub as hubs
from web.live.board import LiveCall, Marks, Stage, stage_of
from web.live.hub import LiveHub

WAIT_SECONDS = 20


class Counting:
    """Draws nothing, and counts."""

    def __init__(self) -> None:
        self.drawn = 0

    def whole(self, calls: Sequence[LiveCall]) -> bytes:
        self.drawn += 1
        return b"whole %d" % len(calls)

    def moved(self, calls: Sequence[LiveCall], gone: Sequence[UUID]) -> bytes:
        self.drawn += 1
        return b"moved %d gone %d" % (len(calls), len(gone))


@pytest_asyncio.fixture
async def hub(engine: AsyncEngine) -> AsyncIterator[tuple[LiveHub, Counting]]:
    counting = Counting()
    hub = LiveHub(engine, {"a": counting})
    yield hub, counting
    await hub.close()


async def test_many_viewers_cost_one_connection_and_one_drawing(
    hub: tuple[LiveHub, Counting], engine: AsyncEngine, market: Market
) -> None:
    board, counting = hub
    async with AsyncExitStack() as stack:
        viewers = [await stack.enter_async_context(board.watching("a")) for _ in range(50)]
        for viewer in viewers:
            assert await viewer.next() == b"whole 0"
        before = counting.drawn
        call_id = await a_live_call(engine, market)
        for viewer in viewers:
            assert await asyncio.wait_for(viewer.next(), WAIT_SECONDS) == b"moved 1 gone 0"
        assert counting.drawn == before + 1
        listening = await one_row(
            engine,
            "SELECT count(*) AS there FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
            " AND datname = current_database()",
        )
        assert listening == {"there": 1}
        await ends(engine, call_id)
        assert await asyncio.wait_for(viewers[0].next(), WAIT_SECONDS) == b"moved 0 gone 1"


async def test_who_does_not_read_is_cut_and_holds_up_nobody(
    hub: tuple[LiveHub, Counting], engine: AsyncEngine, market: Market
) -> None:
    board, _ = hub
    async with board.watching("a") as slow, board.watching("a") as quick:
        assert await quick.next() == b"whole 0"
        for _ in range(hubs.MESSAGES_KEPT + 1):
            slow.send(b"x")
        assert await slow.next() is None
        await a_live_call(engine, market)
        assert await asyncio.wait_for(quick.next(), WAIT_SECONDS) == b"moved 1 gone 0"


async def test_a_lost_connection_is_made_anew_and_the_board_sent_again(
    hub: tuple[LiveHub, Counting], engine: AsyncEngine, market: Market
) -> None:
    board, _ = hub
    async with board.watching("a") as viewer:
        assert await viewer.next() == b"whole 0"
        await one_row(
            engine,
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
            " AND datname = current_database()",
        )
        assert await asyncio.wait_for(viewer.next(), WAIT_SECONDS) == b"whole 0"
        call_id = await a_live_call(engine, market)
        assert await asyncio.wait_for(viewer.next(), WAIT_SECONDS) == b"moved 1 gone 0"
        await waits(engine, call_id, "state")
        assert await asyncio.wait_for(viewer.next(), WAIT_SECONDS) == b"moved 1 gone 0"


def test_the_newest_mark_says_how_far_a_call_is() -> None:
    start = datetime(2026, 11, 24, 14, tzinfo=UTC)
    asked, decided, rung = (start + timedelta(seconds=seconds) for seconds in (2, 9, 30))
    assert stage_of(start, Marks()) == (Stage.ARRIVED, start)
    assert stage_of(start, Marks(waiting_at=asked)) == (Stage.FLOW, asked)
    rings = Marks(waiting_at=asked, decided_at=decided, offered=True)
    assert stage_of(start, rings) == (Stage.RINGING, decided)
    assert stage_of(start, Marks(decided_at=decided, offered=True, rung_at=rung)) == (Stage.SEEKING, rung)
    assert stage_of(start, Marks(decided_at=decided)) == (Stage.SEEKING, decided)
    assert stage_of(start, Marks(decided_at=decided, offered=True, talking_at=rung)) == (Stage.TALKING, rung)
