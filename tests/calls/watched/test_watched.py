"""Somebody of the house watches a call and ends it; the key that can do so can start none."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from sqlalchemy import text

from ivr_flows.library import load
from tests.calls.buyers import answers
from tests.calls.checks import assert_sold
from tests.calls.conftest import MakeScenario
from tests.calls.market import EVERYWHERE, Scenario, Wanted
from tests.calls.node import Node
from tests.sealed import index_of
from tollbridge.phone.caller import Caller
from tollbridge.run import AMI_USER
from tollbridge.secret import node_secret
from web.audit import Actor, Via
from web.live import acts
from web.live.acts import Ordered
from web.live.board import Audience
from web.live.drawing import ApiRenderer
from web.live.hub import LiveHub, Viewer

ADA = Actor(user=None, via=Via.COMMAND, name="ada")
WAIT_SECONDS = 20


async def until_stage(viewer: Viewer, caller: str, stage: str) -> tuple[dict[str, Any], list[str]]:
    """Return the caller's call once the board has it there, and the stages it was seen in."""
    seen: list[str] = []
    async with asyncio.timeout(WAIT_SECONDS):
        while (message := await viewer.next()) is not None:
            lines = [line for line in message.decode().splitlines() if line.startswith("data: ")]
            for line in lines:
                for call in json.loads(line.removeprefix("data: "))["calls"]:
                    if call["caller"] == caller:
                        seen.append(call["stage"])
                        if call["stage"] == stage:
                            return call, seen
    raise AssertionError("the board was closed")


async def test_a_call_is_followed_to_the_talk_and_hung_up(scenario: MakeScenario) -> None:
    market = await scenario(
        [Wanted(name="Buckeye", behaviour=answers(), states=EVERYWHERE)],
        flow_name="direct",
        flow=load("direct"),
    )
    invite = market.invite()
    hub = LiveHub(market.engine, {"api": ApiRenderer(Audience.EDITORS)})
    try:
        async with hub.watching("api") as viewer, Caller.dial(invite) as call:
            shown, seen = await until_stage(viewer, invite.caller, "talking")
            assert seen[0] in ("arrived", "ringing"), seen
            assert str(shown["buyer"]).startswith("Buckeye")
            await asyncio.sleep(1.2)
            call_id = await call_in_progress(market, invite.caller)
            assert isinstance(await acts.hang_up(market.engine, ADA, call_id), Ordered)
            assert await call.ended(10), "the node has carried out the order"
    finally:
        await hub.close()
    leg = await market.buyers["Buckeye"].wait_leg()
    story = await market.settled(call, caller=invite.caller)
    assert_sold(story, leg)
    async with market.engine.connect() as connection:
        query = text("SELECT problem, done_at IS NOT NULL AS done FROM call_commands WHERE call_id = :id")
        assert tuple((await connection.execute(query, {"id": call_id})).one()) == ("", True)
        query = text("SELECT detail FROM call_events WHERE call_id = :id AND kind = 'hung_up_by_house'")
        assert (await connection.execute(query, {"id": call_id})).scalar_one() == {"by": "ada"}


async def call_in_progress(market: Scenario, caller: str) -> Any:
    query = text("SELECT id FROM calls WHERE caller_index = :caller AND state = 'in_progress'")
    async with market.engine.connect() as connection:
        return (await connection.execute(query, {"caller": index_of(caller)})).scalar_one()


async def test_the_manager_user_may_end_calls_and_start_none(node: Node) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", node.settings.ami_port)
    try:
        secret = node_secret("", node.layout.secret_file)
        said = await ask(reader, writer, f"Login\r\nUsername: {AMI_USER}\r\nSecret: {secret}\r\nEvents: off")
        assert "Success" in said
        originate = "Originate\r\nChannel: Local/s@inbound\r\nApplication: Hangup"
        for forbidden in (
            originate,
            "Command\r\nCommand: core show uptime",
            "GetConfig\r\nFilename: manager.conf",
            "Reload",
            # These want `system`, as loading a module does.
            "PJSIPShowContacts",
            "ModuleLoad\r\nLoadType: load\r\nModule: app_system.so",
        ):
            assert "Permission denied" in await ask(reader, writer, forbidden)
        # What the state of trunks is read by.
        assert "Success" in await ask(reader, writer, "PJSIPShowRegistrationsOutbound")
        assert "Success" in await ask(reader, writer, "Getvar\r\nVariable: PJSIP_CONTACT(trunk-1@@0,status)")
        assert "No such channel" in await ask(reader, writer, "Hangup\r\nChannel: t-1.1")
    finally:
        writer.close()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, action: str) -> str:
    """Send an action and return the answer to it, events passed over."""
    writer.write(f"Action: {action}\r\n\r\n".encode())
    async with asyncio.timeout(10):
        while True:
            said = (await reader.readuntil(b"\r\n\r\n")).decode()
            if "Response:" in said:
                return said
