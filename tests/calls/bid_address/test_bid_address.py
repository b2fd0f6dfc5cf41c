"""A bid names the place to ring for this very call: another SIP address, or a number over our trunk."""

from __future__ import annotations

import asyncio
import hashlib
from uuid import uuid4

import pytest
from sqlalchemy import text

from asterisk_conf.command import CommandFailed
from ivr_flows.library import load
from router.inbound_arrival import REFRESH_SECONDS
from tests.calls.buyers import answers
from tests.calls.checks import assert_balanced
from tests.calls.conftest import MakeScenario
from tests.calls.market import EVERYWHERE, Scenario, Wanted
from tests.clocks import assert_clocks_agree
from tests.sealed import index_of
from tollbridge.phone import ports
from tollbridge.phone.caller import Caller
from tollbridge.phone.sipp_buyer import SippBuyer
from tollbridge.phone.sipp_log import BuyerLeg

DIRECT = {"flow_name": "direct", "flow": load("direct")}
BIDDER = Wanted(name="Bidder", behaviour=answers(), states=EVERYWHERE)
NOBODY = Wanted(name="Elsewhere", behaviour=answers(), states=())
KEY_KNOWN_SECONDS = 3 * REFRESH_SECONDS
NOT_TO_BE_RUNG = (
    "sip:a@10.0.0.1",
    "sip:a@127.0.0.1;transport=tcp",
)
NUMBERS_NOT_RUNG = ("+19005550100", "+18765550100", "sip:+18765550100@127.0.0.1", "911", "PJSIP/x&PJSIP/y")
SIP_PORT = 5060
"""Where a trunk that is known by its address only takes calls."""


async def asks_for_bids(market: Scenario) -> int:
    """Give the publisher its first key, and the call path time to read of it; return the key's id."""
    seeded = market.seeded
    values = {
        "digest": hashlib.sha256(uuid4().bytes).digest(),
        "campaign": seeded.campaign_id,
        "publisher": seeded.publisher_id,
    }
    async with market.engine.begin() as connection:
        key_id = await connection.scalar(
            text(
                "INSERT INTO rtb_keys (key_digest, publisher_id, campaign_id)"
                " VALUES (:digest, :publisher, :campaign) RETURNING id"
            ),
            values,
        )
    await asyncio.sleep(KEY_KNOWN_SECONDS)
    assert key_id is not None
    return int(key_id)


async def promise(market: Scenario, key_id: int, caller: str, dial: str) -> None:
    """Store what a publisher's ping would have left: this caller is promised to the bidder, at `dial`."""
    seeded = market.seeded
    (target_id,) = [number for name, number in seeded.target_ids.items() if name.startswith("Bidder")]
    values = {
        "id": uuid4(),
        "key": key_id,
        "campaign": seeded.campaign_id,
        "publisher": seeded.publisher_id,
        "number": seeded.tracking_number_id,
        "target": target_id,
        "caller": index_of(caller),
        "dial": dial,
    }
    async with market.engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO rtb_reservations (id, rtb_key_id, campaign_id, publisher_id, tracking_number_id,"
                " caller_index, target_id, state, payout_micros, minimum_connected_ms, bid_micros,"
                " bid_minimum_connected_ms, dial, expires_at) VALUES (:id, :key, :campaign, :publisher, :number,"
                " :caller, :target, 'open', 10000000, 1000, 20000000, 1000, :dial, now() + interval '1 minute')"
            ),
            values,
        )


async def talk(
    market: Scenario, key_id: int, dial: str, buyer: SippBuyer, *, talk_number: int = 1
) -> BuyerLeg:
    """Call, talk for a while to the buyer that is rung at `dial`, and see that the bidder pays for it."""
    invite = market.invite()
    assert invite.caller is not None
    await promise(market, key_id, invite.caller, dial)
    async with Caller.dial(invite) as call:
        assert await call.answered(8)
        await asyncio.sleep(1.5)
        await call.hang_up()
    leg = await buyer.wait_leg(index=talk_number - 1)
    story = await market.settled(call, caller=invite.caller)
    assert story.outcome == "sold" and story.target is not None and story.target.startswith("Bidder")
    assert story.connected_ms is not None and leg.connected_ms is not None
    assert_clocks_agree(story.connected_ms, leg.connected_ms)
    assert_balanced(story)
    return leg


async def test_another_sip_address(scenario: MakeScenario) -> None:
    market = await scenario([BIDDER, NOBODY], **DIRECT)
    key_id, other = await asks_for_bids(market), market.buyers["Elsewhere"]
    leg = await talk(market, key_id, f"sip:call-7781@127.0.0.1:{other.port}", other)
    assert leg.request_uri.startswith(f"sip:call-7781@127.0.0.1:{other.port}")
    assert not market.buyers["Bidder"].legs()


async def test_an_address_that_must_not_be_rung_is_not(scenario: MakeScenario) -> None:
    market = await scenario([BIDDER], **DIRECT)
    key_id = await asks_for_bids(market)
    for number, dial in enumerate(NOT_TO_BE_RUNG, start=1):
        await talk(market, key_id, dial, market.buyers["Bidder"], talk_number=number)


async def test_a_number_that_is_not_rung_rings_nobody(scenario: MakeScenario) -> None:
    """Not even the bidder's own desk: what it was promised is not to be had."""
    market = await scenario([BIDDER], **DIRECT)
    key_id = await asks_for_bids(market)
    for dial in NUMBERS_NOT_RUNG:
        invite = market.invite()
        await promise(market, key_id, invite.caller, dial)
        async with Caller.dial(invite) as call:
            assert await call.ended(10) or call.times.answered_ms is not None
        story = await market.settled(call, caller=invite.caller)
        assert (story.outcome, story.legs) == ("no_buyer", ()), dial
    assert not market.buyers["Bidder"].legs()


@pytest.mark.skipif(not ports.is_free_udp(SIP_PORT), reason="port 5060 is somebody else's")
async def test_a_number_over_the_trunk(scenario: MakeScenario) -> None:
    market = await scenario([BIDDER], **DIRECT)
    key_id = await asks_for_bids(market)
    await lives_by_bids(market)
    behaviour = answers()
    playing = SippBuyer.playing(
        behaviour.scenario,
        market.buyers["Bidder"].log_file.parent,
        name="carrier",
        port=SIP_PORT,
        values=behaviour.values,
    )
    async with playing as carrier:
        leg = await talk(market, key_id, "+16145550142", carrier)
    assert leg.request_uri.startswith("sip:+16145550142@127.0.0.1")
    assert not market.buyers["Bidder"].legs()


async def lives_by_bids(market: Scenario) -> None:
    """Make the target a bidder, and wait until Asterisk knows it as one."""
    (target_id,) = market.seeded.target_ids.values()
    async with market.engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO ping_endpoints (target_id, dialect, url)"
                " VALUES (:target, 'tollbridge', 'https://bidder.example/ping')"
            ),
            {"target": target_id},
        )
    async with asyncio.timeout(10):
        while True:
            shown = await market.node.asterisk("pjsip show endpoints")
            if not isinstance(shown, CommandFailed) and f"target-{target_id}-out" in shown:
                return
            await asyncio.sleep(0.1)
