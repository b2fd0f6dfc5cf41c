"""The house's home: what today brings beside other days, and what asks for attention with where it is mended."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from aiohttp.test_utils import TestServer
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from router.domain.abroad import TIME_ZONE
from router.domain.caps import period_start
from rules.schedule import local_time
from store import tables
from store.hourly_counters import name_of_hour
from store.routing_tables import dial_destinations
from tests.postgres import as_owner
from tests.web.conftest import PASSWORD, Client, open_client, sign_in
from tests.web.market import Market, add, add_call, add_sold_call
from web.auth import UserCreated, create_user
from web.home.attention import Trouble, items_of
from web.home.figures import span_of_day


async def home(client: Client) -> str:
    async with client.get("/") as answer:
        assert answer.status == 200
        return " ".join((await answer.text()).split())


async def test_a_new_house_is_told_its_first_steps(admin: Client) -> None:
    text = await home(admin)
    for step in ("Connect a carrier", "Write what callers hear", "Add a buyer with a target"):
        assert step in text
    assert "Nobody is on the line" in text
    assert "Nothing: no licence ends soon" in text


async def test_todays_money_stands_beside_yesterdays(
    admin: Client, engine: AsyncEngine, market: Market
) -> None:
    call_id = await add_sold_call(engine, market)
    async with engine.begin() as connection:
        await connection.execute(
            update(tables.calls).where(tables.calls.c.id == call_id).values(started_at=datetime.now(UTC))
        )
    text = await home(admin)
    assert "$45.00" in text and "$30.00" in text
    assert "new" in text, "there was none yesterday"


async def test_what_needs_somebody_leads_to_where_it_is_mended(
    admin: Client, engine: AsyncEngine, market: Market
) -> None:
    call_id = await add_call(engine)
    now = datetime.now(UTC)
    async with engine.begin() as connection:
        await add(
            connection,
            tables.licences,
            buyer_id=market.buyer_id,
            nmls_id="123456",
            state="OH",
            product="refinance",
            valid_from=date(2026, 1, 1),
            valid_to=now.date() + timedelta(days=5),
        )
        await connection.execute(
            insert(tables.endpoint_health).values(
                target_id=market.closed_id, window_started_at=now, rested_until=now + timedelta(minutes=5)
            )
        )
        await connection.execute(
            insert(tables.wallets).values(buyer_id=market.buyer_id, owed_micros=-4_000_000, low_since=now)
        )
        await add(
            connection,
            tables.disputes,
            call_id=call_id,
            buyer_id=market.buyer_id,
            reason="wrong_number",
            price_micros=1,
            opened_at=now,
        )
        await connection.execute(
            insert(tables.refused_lines).values(
                node="a", kind="cel", file="f", position=1, problem="not CSV", line=b"x"
            )
        )
        await connection.execute(
            insert(tables.counters),
            [
                {"node": "a", "name": name, "value": value, "last_at": now}
                for name, value in (
                    (name_of_hour("unlisted_source", now), 3),
                    ("decided_on_last_known", 400),
                    (name_of_hour("decided_on_last_known", now), 5),
                    (name_of_hour("decided_on_last_known", now - timedelta(hours=23)), 7),
                    (name_of_hour("decided_on_last_known", now - timedelta(hours=24)), 300),
                    (name_of_hour("not_sold_lists_unknown", now), 1),
                )
            ],
        )
        await connection.execute(
            insert(tables.flow_drafts).values(name="mortgage", definition={}, changed_by="bob@example.com")
        )
    text = await home(admin)
    for told in (
        "A licence of Buckeye Lending ends in 5 days",
        "Lakeside Home Loans, Day desk is not asked for bids",
        "The wallet of Buckeye Lending runs low",
        "1 dispute is open",
        "1 lines of a node",
        "cel of node a, not CSV",
        "no trunk’s",
        "12 calls were routed without the database in the last 24 hours",
        "1 call was sold to nobody: the database did not answer",
        "The flow mortgage has a draft",
    ):
        assert told in text, told
    for address in (
        f"/targets/{market.closed_id}",
        f"/buyers/{market.buyer_id}",
        "/money/disputes",
        "/flows/mortgage",
    ):
        assert f'href="{address}"' in text, address


async def test_what_is_not_rung_abroad_is_told(admin: Client, engine: AsyncEngine, market: Market) -> None:
    now = datetime.now(UTC)
    start = period_start("day", local_time(now, TIME_ZONE))
    async with engine.begin() as connection:
        trunk_id = await connection.scalar(select(tables.trunks.c.id))
        await connection.execute(
            update(tables.targets)
            .where(tables.targets.c.id == market.closed_id)
            .values(sip_uri="sip:+18765550142@carrier.example", outbound_trunk_id=trunk_id)
        )
        await add(connection, dial_destinations, prefix="+44", name="London office")
        await connection.execute(
            insert(tables.cap_counters).values(
                key=f"target:{market.chosen_id}:abroad_seconds:day", used=100 * 60, period_start=start
            )
        )
    text = await home(admin)
    assert "A number is not rung: target Day desk" in text and "the area code 876" in text
    assert "Nothing more is rung abroad today: target" in text
    assert "London office: 100 of 120 minutes abroad taken this day" in text


async def test_a_publisher_that_owes_us_is_named_with_its_amount(
    admin: Client, engine: AsyncEngine, market: Market
) -> None:
    async with engine.connect() as connection:
        one = (await connection.execute(select(tables.publishers.c.id, tables.publishers.c.name))).first()
    assert one is not None
    async with as_owner(engine) as connection:
        await connection.execute(
            insert(tables.sealed_balances).values(
                account=f"publisher:{one.id}:payable", amount_micros=6_970_000_000
            )
        )
    text = await home(admin)
    assert f"{one.name} owes $6,970.00" in text and "#h-publishers" in text


@pytest.mark.parametrize("role", ["buyer", "publisher"])
async def test_everybody_has_a_home_of_their_own(site: TestServer, engine: AsyncEngine, role: str) -> None:
    assert isinstance(await create_user(engine, "eve@example.com", PASSWORD, role), UserCreated)
    async with open_client(site) as other:
        assert await sign_in(other, "eve@example.com") == 303
        async with other.get("/", allow_redirects=False) as answer:
            assert answer.headers["Location"] == f"/{role}"


async def test_a_stranger_is_asked_to_sign_in(stranger: Client) -> None:
    async with stranger.get("/", allow_redirects=False) as answer:
        assert answer.headers["Location"].startswith("/sign-in")


def test_a_day_is_compared_up_to_the_same_time_of_day() -> None:
    zone = ZoneInfo("America/New_York")
    now = datetime(2026, 11, 2, 17, 30, tzinfo=UTC)  # 12:30, the day after the clocks went back
    start, end = span_of_day(now, 1, zone)
    assert start == datetime(2026, 11, 1, 4, tzinfo=UTC)
    assert end == datetime(2026, 11, 1, 17, 30, tzinfo=UTC), "12:30 on the wall"
    midnight = datetime(2026, 11, 2, 5, tzinfo=UTC)
    first, last = span_of_day(midnight, 0, zone)
    assert first < last, "a report is never of no time"


def test_nothing_is_nothing() -> None:
    assert items_of(Trouble()) == []
