"""A carrier that is registered with: it learns where we are, its calls come over that registration and are sold."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import delete, insert, select

from ivr_flows.library import load
from store.tables import trunk_states, trunks
from tests.calls.buyers import answers
from tests.calls.checks import assert_sold, assert_unsold
from tests.calls.conftest import MakeScenario
from tests.calls.market import EVERYWHERE, Wanted
from tests.calls.node import Node
from tests.calls.registration.registrar import Registrar
from tollbridge.phone.caller import Caller

CARRIER = "127.0.0.5"
"""Of no trunk by address: whoever calls from here is known by the registration, or not at all."""
USERNAME, PASSWORD = "acct-7", "pa$$word"
REGISTERED_SECONDS = 20
_serial = itertools.count(1)


@pytest_asyncio.fixture
async def registrar() -> AsyncIterator[Registrar]:
    async with Registrar.listening(CARRIER, username=USERNAME, password=PASSWORD) as listening:
        yield listening


@asynccontextmanager
async def a_trunk(node: Node, registrar: Registrar, **changes: Any) -> AsyncIterator[str]:
    """A trunk that registers there; yields its name."""
    host, port = registrar.address
    values = {
        "name": f"carrier-{os.getpid()}-{next(_serial)}",
        "carrier_name": "Registered Telecom",
        "addresses": [],
        "registrar_uri": f"sip:{host}:{port}",
        "username": USERNAME,
        "password": PASSWORD,
        **changes,
    }
    engine = node.engine()
    try:
        async with engine.begin() as connection:
            await connection.execute(insert(trunks).values(**values))
        yield str(values["name"])
        async with engine.begin() as connection:
            await connection.execute(delete(trunks).where(trunks.c.name == values["name"]))
    finally:
        await engine.dispose()


async def stands(node: Node, trunk: str, state: str, seconds: float) -> tuple[str, int | None]:
    """Wait until the node says this of the trunk; return the reason and the round trip."""
    query = (
        select(trunk_states.c.state, trunk_states.c.reason, trunk_states.c.round_trip_us)
        .join(trunks, trunks.c.id == trunk_states.c.trunk_id)
        .where(trunks.c.name == trunk, trunk_states.c.node == node.settings.node_name)
    )
    engine, seen = node.engine(), None
    try:
        async with asyncio.timeout(seconds), engine.connect() as connection:
            while True:
                seen = (await connection.execute(query)).one_or_none()
                await connection.rollback()
                if seen is not None and seen.state == state:
                    return seen.reason, seen.round_trip_us
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"{trunk} is not {state} but {seen}") from None
    finally:
        await engine.dispose()


async def until(condition: Callable[[], object], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  a peer in this process, looked at now and then
            await asyncio.sleep(0.05)


async def test_a_call_over_the_registration_is_sold(scenario: MakeScenario, registrar: Registrar) -> None:
    market = await scenario(
        [Wanted(name="Buckeye", behaviour=answers(), states=EVERYWHERE)],
        flow_name="direct",
        flow=load("direct"),
    )
    async with a_trunk(market.node, registrar) as trunk:
        await until(lambda: registrar.contact, REGISTERED_SECONDS)
        assert registrar.seen[:2] == ["REGISTER 401", "REGISTER 200"], (
            "the password was asked for and was right"
        )
        # As RFC 3261 wants it: to whom registered, the number that was dialled in To.
        invite = market.invite(contact=registrar.contact, to_header=f'"A: 7" <sip:{market.number}@{CARRIER}>')
        async with Caller.dial(invite, address=CARRIER) as call:
            await market.buyers["Buckeye"].wait_leg(ended=False, seconds=15)
            await asyncio.sleep(1.5)
            await call.hang_up()
        leg = await market.buyers["Buckeye"].wait_leg()
        story = await market.settled(call, caller=invite.caller)
        assert_sold(story, leg)
        assert story.trunk == trunk


async def test_a_hostile_to_is_no_more_than_an_unknown_number(
    node: Node, registrar: Registrar, scenario: MakeScenario
) -> None:
    market = await scenario([Wanted(name="Buckeye", behaviour=answers())])
    async with a_trunk(node, registrar):
        await until(lambda: registrar.contact, REGISTERED_SECONDS)
        hostile = f'"${{SHELL(id)}}" <sip:77,TB_DONE=1,TB_LEGS=1&(x)@{CARRIER}>'
        invite = market.invite(contact=registrar.contact, to_header=hostile)
        async with Caller.dial(invite, address=CARRIER) as call:
            assert await call.answered(5), "the message for unknown numbers"
            assert await call.ended(15)
        story = await market.settled(call, caller=invite.caller)
        assert_unsold(story, "unknown_number")


async def test_the_house_knows_whether_it_is_registered_and_why_not(node: Node, registrar: Registrar) -> None:
    registrar.expires_seconds = 14
    async with a_trunk(node, registrar) as trunk:
        assert await stands(node, trunk, "registered", REGISTERED_SECONDS) == ("", None)
        registrar.refuses = (403, "Forbidden")
        reason, _ = await stands(node, trunk, "refused", REGISTERED_SECONDS)
        assert "it forbids us to register" in reason and "(403)" in reason
    async with a_trunk(node, registrar, password="another") as trunk:
        reason, _ = await stands(node, trunk, "refused", REGISTERED_SECONDS)
        assert "does not accept our user name and password (401)" in reason


@pytest.mark.timeout(150)
async def test_a_registrar_that_has_vanished_is_named(node: Node, registrar: Registrar) -> None:
    registrar.expires_seconds = 14
    async with a_trunk(node, registrar) as trunk:
        await stands(node, trunk, "registered", REGISTERED_SECONDS)
        registrar.vanish()
        # Asterisk renews after 4 s and gives up after 32 (RFC 3261, timer F).
        reason, _ = await stands(node, trunk, "unanswered", 75)
        assert "no answer" in reason


async def test_an_address_is_asked_whether_it_is_there(node: Node, trunk_port: int) -> None:
    async with Registrar.listening("127.0.0.6", username="", password="", port=trunk_port) as carrier:
        by_address = {"addresses": ["127.0.0.6"], "registrar_uri": None, "check_every_seconds": 2}
        async with a_trunk(node, carrier, **by_address) as trunk:
            reason, round_trip_us = await stands(node, trunk, "reachable", REGISTERED_SECONDS)
            assert reason == "" and round_trip_us is not None and 0 < round_trip_us < 1_000_000
            assert "OPTIONS 200" in carrier.seen
            carrier.vanish()
            assert await stands(node, trunk, "unreachable", 20) == ("no answer to our OPTIONS", None)
