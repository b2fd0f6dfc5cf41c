"""Places the test calls that somebody at a page has asked for: one at a time, with a telephone of our own.

The call is as real as one from `tollbridge testcall`: it is routed, a buyer may be rung, and it is billed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from tollbridge.phone.voice import VoiceUnavailable
from tollbridge.testcall import TestCallPlan, TestCallResult, place_test_call
from tollbridge.testcall_queries import Order, add_line, end_order, take_order

LOOK_SECONDS = 0.5
LONGEST_SECONDS = 120.0
LISTENS_SECONDS = 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Telephone:
    """Where the node's switch takes calls, and where rendered words are kept."""

    switch: tuple[str, int]
    cache_dir: Path


class TestCallQueue:
    """The orders of the house, as this node's worker serves them."""

    __test__ = False

    def __init__(self, engine: AsyncEngine, *, node: str, telephone: Telephone) -> None:
        self._engine = engine
        self._node = node
        self._telephone = telephone

    async def look(self) -> None:
        """Place the oldest test call that waits, if one does. A worker that ends meanwhile hangs up."""
        async with self._engine.begin() as connection:
            order = await take_order(connection, self._node)
        if order is not None:
            log.info("test call %s to %s", order.id, order.dialled)
            await self._serve(order)

    async def _serve(self, order: Order) -> None:
        told: asyncio.Queue[str | None] = asyncio.Queue()
        telling = asyncio.create_task(self._tell(order, told))
        try:
            problem, call_id = await self._place(order, told.put_nowait)
            told.put_nowait(None)
            await telling
        finally:
            telling.cancel()
        async with self._engine.begin() as connection:
            await end_order(connection, order.id, problem=problem, call_id=call_id)

    async def _place(self, order: Order, progress: Callable[[str], None]) -> tuple[str, UUID | None]:
        """Return what went wrong, '' for nothing, and the call as it is stored."""
        plan = TestCallPlan(
            switch=self._telephone.switch,
            to=order.dialled,
            caller=order.caller,
            say=tuple(order.says),
            keys=tuple(order.presses),
            seconds=LISTENS_SECONDS,
        )
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                result = await place_test_call(
                    plan, engine=self._engine, cache_dir=self._telephone.cache_dir, progress=progress
                )
        except TimeoutError:
            return f"it was hung up after {LONGEST_SECONDS:.0f} s", None
        except (VoiceUnavailable, ValueError, OSError) as fault:
            return str(fault)[:200] or type(fault).__name__, None
        return _problem(result), None if result.story is None else result.story.call_id

    async def _tell(self, order: Order, told: asyncio.Queue[str | None]) -> None:
        while (line := await told.get()) is not None:
            async with self._engine.begin() as connection:
                await add_line(connection, order.id, line)


def _problem(result: TestCallResult) -> str:
    if result.reached_its_end:
        return ""
    if result.times.answered_ms is None:
        return "nobody answered"
    return "the switch has not stored or settled the call in time"
