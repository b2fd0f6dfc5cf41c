"""A publisher asks, gets a bid, and sends the call: it goes to the buyer it was promised to, who pays by contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from sqlalchemy import text

from agi.cel import clock_of
from agi.clock import distance_ms
from ivr_flows.library import load
from tests.calls.buyers import answers
from tests.calls.checks import assert_balanced
from tests.calls.conftest import MakeScenario
from tests.calls.long_tags import TAGS_500, with_tags
from tests.calls.market import Scenario, Wanted
from tests.sealed import index_of
from tollbridge.phone.caller import Caller
from web.keys import MARKET
from web.rtb.app import make_pings_app
from web.rtb.publisher_keys import KeyMade, KeyWanted, add_key

SHARE_PERCENT = 80.0
LONG_ANSWERS = {f"answer_{number}": "x" * 150 for number in range(5)} | {"answer_5": "x" * 80}
"""With the others 950 bytes."""


async def test_the_call_goes_to_the_buyer_it_was_promised_to_and_pays_by_its_contract(
    scenario: MakeScenario, tmp_path: Path
) -> None:
    market = await scenario(
        [
            Wanted(name="Usual", behaviour=answers(), states=("CA",)),
            Wanted(name="Promised", behaviour=answers(), states=("CA",)),
        ],
        flow_name="direct",
        flow=with_tags(load("direct"), TAGS_500),
    )
    usual, promised = _target(market, "Usual"), _target(market, "Promised")
    invite = market.invite()
    await _change(market, "UPDATE targets SET enabled = false WHERE id = :id", id=usual)
    async with _publisher(market, tmp_path) as ping:
        # The caller's area code is Ohio's: only what the publisher told makes the buyers of California eligible.
        asked = {
            "kind": "ping",
            "caller": invite.caller,
            "answers": {"state": "CA", "loan_type": "refinance", **LONG_ANSWERS},
        }
        bid = (await ping(asked))["bid"]
        assert (bid["amount"], bid["dial"]) == ("68.00", market.number)
        assert await _rooms(market, promised) == 1

        # Whoever is first in the plan is back, which does not matter to this call; and the price has
        # fallen, of which the publisher earns its share.
        await _change(market, "UPDATE targets SET enabled = true WHERE id = :id", id=usual)
        await _change(
            market,
            "INSERT INTO buyer_terms (buyer_id, campaign_id, goes_live_at, minimum_connected_ms, price_micros)"
            " SELECT buyer_id, :campaign, now(), 1000, 50000000 FROM targets WHERE id = :id",
            campaign=market.seeded.campaign_id,
            id=promised,
        )
        await market.node.market_is_live(tuple(market.seeded.target_ids.values()))

    async with Caller.dial(invite) as call:
        await market.buyers["Promised"].wait_leg(ended=False, seconds=10)
        assert await _rooms(market, promised) == 1, "the call goes on with the room of its ping"
        await asyncio.sleep(2)
        await call.hang_up()
    leg = await market.buyers["Promised"].wait_leg()
    story = await market.settled(call, caller=invite.caller)

    assert story.outcome == "sold" and story.converted, story.conversion
    assert leg.connected_ms is not None
    assert (story.revenue_micros, story.payout_micros) == (50_000_000, 40_000_000)
    assert story.tags["state"] == "CA"
    assert story.tags.items() >= {**LONG_ANSWERS, **TAGS_500}.items()
    assert_balanced(story)
    async with market.engine.connect() as connection:
        rows = await connection.execute(
            text("SELECT clock FROM cel_rows WHERE linkedid = (SELECT linkedid FROM calls WHERE id = :id)"),
            {"id": story.call_id},
        )
        clocks = [clock_of(row.clock) for row in rows]
    assert len(clocks) > 10
    assert all(clock is not None and abs(clock.offset_ms - distance_ms()) < 50 for clock in clocks), clocks
    assert not market.buyers["Usual"].legs()
    assert await _rooms(market, promised) == 0
    async with market.engine.connect() as connection:
        row = (
            await connection.execute(
                text("SELECT state, call_id FROM rtb_reservations WHERE caller_index = :caller"),
                {"caller": index_of(invite.caller or "")},
            )
        ).one()
    assert tuple(row) == ("used", story.call_id)


def _target(market: Scenario, name: str) -> int:
    return next(
        target_id for desk, target_id in market.seeded.target_ids.items() if desk.startswith(f"{name} ")
    )


async def _change(market: Scenario, sql: str, **values: Any) -> None:
    async with market.engine.begin() as connection:
        await connection.execute(text(sql), values)


async def _rooms(market: Scenario, target_id: int) -> int:
    async with market.engine.connect() as connection:
        used = await connection.scalar(
            text("SELECT used FROM cap_counters WHERE key = :key"), {"key": f"target:{target_id}:concurrency"}
        )
    return int(used or 0)


@asynccontextmanager
async def _publisher(market: Scenario, folder: Path) -> AsyncIterator[Any]:
    """The pings process in front of the node's database, and a publisher with a key: `await ping(question)`."""
    async with market.engine.connect() as connection:
        publisher = await connection.scalar(
            text("SELECT name FROM publishers WHERE id = :id"), {"id": market.seeded.publisher_id}
        )
        campaign = await connection.scalar(
            text("SELECT name FROM campaigns WHERE id = :id"), {"id": market.seeded.campaign_id}
        )
    made = await add_key(
        market.engine,
        KeyWanted(
            publisher=publisher,
            campaign=campaign,
            dialect="tollbridge",
            rate_per_minute=60,
            share_percent=SHARE_PERCENT,
        ),
    )
    assert isinstance(made, KeyMade), made
    app = make_pings_app(market.engine, snapshot_file=folder / "pings-market.json")
    async with TestServer(app) as server, ClientSession() as session:
        await app[MARKET].refresh()

        async def ping(question: dict[str, Any]) -> Any:
            async with session.post(server.make_url(f"/rtb/{made.key}"), json=question) as answer:
                assert answer.status == 200, await answer.text()
                found = await answer.json()
                assert "bid" in found, found
                return found

        yield ping
