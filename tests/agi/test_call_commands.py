"""What people at a page want done to a call, as its node finds and does it; and what may be heard of one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from agi.call_commands import CallCommands
from agi.command_queries import CHANNEL, Hearable, hearable
from store import tables
from store.call_id import call_id_of

LINKEDID = "a-1764000300.7"
CALL = call_id_of(LINKEDID)


class Telephones:
    """Ends calls, or says why not."""

    def __init__(self, problem: str = "") -> None:
        self.problem = problem
        self.ended: list[str] = []
        self.asked = asyncio.Event()

    async def hang_up(self, uniqueid: str) -> str:
        self.ended.append(uniqueid)
        self.asked.set()
        return self.problem


async def a_call(engine: AsyncEngine) -> UUID:
    async with engine.begin() as connection:
        row = {"id": CALL, "linkedid": LINKEDID, "node": "a", "started_at": datetime.now(UTC)}
        await connection.execute(insert(tables.calls).values(row))
    return CALL


async def order(engine: AsyncEngine, **changes: Any) -> None:
    async with engine.begin() as connection:
        values = {"node": "a", "call_id": CALL, "kind": "hang_up", "asked_by": "ada", **changes}
        await connection.execute(insert(tables.call_commands).values(values))
        await connection.execute(text(f"SELECT pg_notify('{CHANNEL}', 'a')"))


async def orders(engine: AsyncEngine) -> list[tuple[bool, str]]:
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT done_at, problem FROM call_commands ORDER BY id"))
        return [(row.done_at is not None, row.problem) for row in rows]


async def test_an_order_is_carried_out_once_and_stands_in_the_calls_story(engine: AsyncEngine) -> None:
    telephones = Telephones()
    commands = CallCommands(engine, node="a", asterisk=telephones)
    await a_call(engine)
    await order(engine)
    await order(engine, node="b")
    await order(engine, asked_at=datetime.now(UTC) - timedelta(minutes=5))
    await commands.do_open()
    await commands.do_open()
    assert telephones.ended == [LINKEDID], "neither another node's nor one nobody waits for any more"
    assert await orders(engine) == [(True, ""), (False, ""), (False, "")]
    async with engine.connect() as connection:
        (event,) = (await connection.execute(text("SELECT kind, detail FROM call_events"))).all()
    assert (event.kind, event.detail) == ("hung_up_by_house", {"by": "ada"})


async def test_what_could_not_be_done_is_told(engine: AsyncEngine) -> None:
    await a_call(engine)
    await order(engine)
    await CallCommands(engine, node="a", asterisk=Telephones("the call was over already")).do_open()
    assert await orders(engine) == [(True, "the call was over already")]


async def test_a_node_hears_of_an_order_at_once(engine: AsyncEngine) -> None:
    telephones = Telephones()
    await a_call(engine)
    working = asyncio.create_task(CallCommands(engine, node="a", asterisk=telephones).run())
    try:
        await order(engine)
        await asyncio.wait_for(telephones.asked.wait(), 20)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def test_a_whisper_is_for_the_buyer_who_talks(engine: AsyncEngine) -> None:
    await a_call(engine)

    async def happens(event: str, position: int) -> None:
        row = {
            "node": "a",
            "file": "f",
            "position": position,
            "event": event,
            "event_us": position,
            "uniqueid": "a-1764000301.8",
            "linkedid": LINKEDID,
            "channel": "PJSIP/target-3-00000001",
            "extra": "",
        }
        async with engine.begin() as connection:
            await connection.execute(insert(tables.cel_rows).values(row))

    async def heard() -> Hearable | None:
        async with engine.connect() as connection:
            return await hearable(connection, CALL)

    assert await heard() == Hearable(caller=LINKEDID, buyer=None)
    await happens("BRIDGE_ENTER", 1)
    assert await heard() == Hearable(caller=LINKEDID, buyer="a-1764000301.8")
    await happens("BRIDGE_EXIT", 2)
    assert await heard() == Hearable(caller=LINKEDID, buyer=None)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE calls SET state = 'ended'"))
    assert await heard() is None
