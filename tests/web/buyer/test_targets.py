"""A buyer stops, narrows and prices its targets; the next decision of the real router goes by it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from router.domain.decision import RejectionCode
from router.route_call import Router
from router.snapshot import CurrentSnapshot
from rules.schedule import always_open
from store import tables
from tests.router.markets import PATIENT_SECONDS, a_request
from tests.web.buyer.conftest import House
from tests.web.buyer.test_money import post
from tests.web.buyer.test_own_calls import read
from tests.web.conftest import Client
from web.buyer.targets import own_price_from

NOON = {"from": "12:00", "to": "12:01"}


async def open_market(engine: AsyncEngine, house: House) -> None:
    """Let both buyers' targets take calls from Ohio at any hour, the first one first."""
    market = house.market
    async with engine.begin() as connection:
        await connection.execute(update(tables.targets).values(schedule=always_open("America/New_York")))
        made = await connection.execute(
            insert(tables.plan_stages)
            .values(campaign_id=market.campaign, position=1, method="priority")
            .returning(tables.plan_stages.c.id)
        )
        stage = made.scalar_one()
        for place, (buyer, target) in enumerate(zip(market.buyers, market.targets, strict=True), 1):
            entry = {"stage_id": stage, "target_id": target, "priority": place}
            await connection.execute(insert(tables.plan_entries).values(entry))
            licence = {"buyer_id": buyer, "nmls_id": "1", "state": "OH", "product": "refinance"}
            from_ = datetime(2020, 1, 1, tzinfo=UTC).date()
            await connection.execute(insert(tables.licences).values(**licence, valid_from=from_))


async def who_gets_the_next_call(
    engine: AsyncEngine, house: House, folder: Path
) -> tuple[int | None, set[RejectionCode]]:
    snapshot = CurrentSnapshot(engine, folder / "router.json")
    await snapshot.load()
    request = replace(
        a_request(call_id=str(uuid4()), now=datetime.now(UTC)),
        campaign_id=house.market.campaign,
        publisher_id=house.market.publisher,
    )
    routed = await Router(engine, snapshot, database_seconds=PATIENT_SECONDS).route_call(request, 1)
    chosen = routed.decision.chosen
    codes = {one.code for one in routed.decision.rejections if one.target_id == house.market.targets[0]}
    return (None if chosen is None else chosen.target_id), codes


async def test_a_buyer_pauses_and_the_next_call_goes_elsewhere(
    buyer: Client, house: House, engine: AsyncEngine, tmp_path: Path
) -> None:
    await open_market(engine, house)
    first, second = house.market.targets
    assert (await who_gets_the_next_call(engine, house, tmp_path))[0] == first
    await post(buyer, f"/buyer/targets/{first}/pause", 303)
    assert "Paused by you" in await read(buyer, "/buyer/targets")
    assert await who_gets_the_next_call(engine, house, tmp_path) == (second, {RejectionCode.DISABLED})
    await post(buyer, f"/buyer/targets/{first}/resume", 303)
    async with engine.begin() as connection:
        await connection.execute(update(tables.leases).values(released_at=datetime.now(UTC)))
        await connection.execute(update(tables.cap_counters).values(used=0))
    assert (await who_gets_the_next_call(engine, house, tmp_path))[0] == first


async def test_a_target_is_narrowed_within_what_the_house_set_and_widened_back(
    buyer: Client, house: House, engine: AsyncEngine, tmp_path: Path
) -> None:
    await open_market(engine, house)
    first = house.market.targets[0]
    address = f"/buyer/targets/{first}"
    # Open for an hour that is over: half a day from now, on the wall clock of New York.
    past = (datetime.now(UTC) - timedelta(hours=12)).strftime("%H:%M")
    later = (datetime.now(UTC) - timedelta(hours=11)).strftime("%H:%M")
    form = {"concurrency_cap": "1", "calls_a_day": "7"}
    hours = {f"day{day}.0.{end}": at for day in range(7) for end, at in (("from", past), ("to", later))}
    wrong = await post(buyer, address, 422, **form | {"concurrency_cap": "9", "day0.0.from": "x"})
    assert "At once you may take 1 to 1 calls" in wrong and 'value="9"' in wrong
    assert "Write both times like 08:00" in wrong
    await post(buyer, address, 303, **form, **hours, dropped_states="OH")
    page = await read(buyer, address)
    assert f'value="{past}"' in page and "00:00–24:00" in page and 'value="OH" checked' in page
    _, codes = await who_gets_the_next_call(engine, house, tmp_path)
    assert codes & {RejectionCode.FILTERS, RejectionCode.CLOSED}
    async with engine.connect() as connection:
        cap = (await connection.execute(select(tables.caps))).one()
    assert (cap.owner, cap.owner_id, cap.kind, cap.period, cap.at_most) == (
        "target",
        first,
        "connections",
        "day",
        7,
    )
    whole = {f"day{day}.0.{end}": at for day in range(7) for end, at in (("from", "00:00"), ("to", "24:00"))}
    await post(buyer, address, 303, concurrency_cap="1", calls_a_day="", **whole)
    async with engine.connect() as connection:
        row = (await connection.execute(select(tables.targets).where(tables.targets.c.id == first))).one()
        assert row.schedule == always_open("America/New_York") and row.filters is None
        assert (await connection.execute(select(tables.caps))).all() == []
        noted = (await connection.execute(select(tables.audit_log.c.action))).scalars().all()
    assert [action for action in noted if action == "narrow"] == ["narrow", "narrow"]


async def test_what_the_house_changes_later_counts_again(
    buyer: Client, house: House, engine: AsyncEngine
) -> None:
    await open_market(engine, house)
    first = house.market.targets[0]
    noon = {f"day{day}.0.{end}": at for day in range(7) for end, at in NOON.items()}
    await post(buyer, f"/buyer/targets/{first}", 303, concurrency_cap="1", **noon)
    monday = {"time_zone": "UTC", "ranges": [{"days": [0], "from": "08:00", "to": "09:00"}]}
    async with engine.begin() as connection:
        await connection.execute(update(tables.targets).values(schedule=monday, concurrency_cap=4))
    page = await read(buyer, f"/buyer/targets/{first}")
    assert "08:00–09:00" in page and "00:00–24:00" not in page and "At once, at most 4" in page


async def test_a_price_is_set_between_floor_and_ceiling_and_holds_for_calls_to_come(
    buyer: Client, other: Client, house: House, engine: AsyncEngine
) -> None:
    campaign = house.market.campaign
    assert "agreed with us" in await read(buyer, "/buyer/targets")
    assert "ask us to change it" in await post(buyer, f"/buyer/prices/{campaign}", 422, price="50")
    async with engine.begin() as connection:
        limits = {"buyer_id": house.market.buyers[0], "campaign_id": campaign}
        limits |= {"floor_micros": 40_000_000, "ceiling_micros": 60_000_000}
        await connection.execute(insert(tables.bid_limits).values(limits))
    for price, problem in (("39.99", "$40.00 to $60.00"), ("60.01", "$40.00 to $60.00"), ("x", "like 45")):
        assert problem in await post(buyer, f"/buyer/prices/{campaign}", 422, price=price)
    await post(buyer, f"/buyer/prices/{campaign}", 303, price="$52.50")
    page = await read(buyer, "/buyer/targets?priced")
    assert "begin 10 seconds later or after" in page and ", then $52.50." in page
    assert 'value="$52.50"' in page
    await post(buyer, f"/buyer/prices/{campaign}", 303, price="$45")
    assert 'value="$45.00"' in await read(buyer, "/buyer/targets"), (
        "who takes a price back has the old one again"
    )
    assert "ask us" in await post(other, f"/buyer/prices/{campaign}", 422, price="50")
    await post(buyer, "/buyer/prices/999", 404, price="50")


@pytest.mark.parametrize(
    ("set_at", "from_"),
    [("12:00:00.000000", "12:00:10"), ("12:00:00.000001", "12:00:11"), ("12:00:00.999999", "12:00:11")],
)
def test_a_price_goes_live_at_a_whole_second_that_no_router_can_miss(set_at: str, from_: str) -> None:
    day = "2026-03-03T"
    assert own_price_from(datetime.fromisoformat(f"{day}{set_at}Z")) == datetime.fromisoformat(
        f"{day}{from_}Z"
    )


async def test_another_buyers_target_is_not_there(buyer: Client, other: Client, house: House) -> None:
    first = house.market.targets[0]
    await read(other, f"/buyer/targets/{first}", 404)
    for path in ("", "/pause", "/resume"):
        await post(other, f"/buyer/targets/{first}{path}", 404)
    assert "Columbus desk" not in await read(other, "/buyer/targets")


async def test_why_calls_went_elsewhere_in_words_and_no_word_of_who_got_them(
    buyer: Client, other: Client, house: House, engine: AsyncEngine
) -> None:
    first = house.market.targets[0]
    async with engine.begin() as connection:
        for sequence, (code, detail) in enumerate((("lower_bid", "rank 2 of 9"), ("closed", "Tue 21:04")), 1):
            row = {"call_id": house.others, "sequence": sequence, "target_id": first}
            await connection.execute(insert(tables.rejections).values(**row, code=code, detail=detail))
    day = house.started_at.date().isoformat()
    page = await read(buyer, f"/buyer/fewer-calls?day={day}")
    assert "Outbid" in page and "Outside your hours" in page and "you had <b>2</b> calls" in page
    assert "rank" not in page and "of 9" not in page and "<b>1</b> call " in page
    assert "No call passed you by" in await read(other, f"/buyer/fewer-calls?day={day}")
    assert "No call passed you by" in await read(buyer, "/buyer/fewer-calls?day=2001-01-01")
    assert "Calls may be sent back" in await read(buyer, "/buyer/settings")


async def test_a_target_takes_only_calls_that_follow_the_buyers_own_rules(
    buyer: Client, house: House, engine: AsyncEngine, tmp_path: Path
) -> None:
    await open_market(engine, house)
    first, second = house.market.targets
    address, form = f"/buyer/targets/{first}", {"concurrency_cap": "1", "rule.fact": "credit_score"}
    whole = {f"day{day}.0.{end}": at for day in range(7) for end, at in (("from", "00:00"), ("to", "24:00"))}
    wrong = await post(buyer, address, 422, **form, **whole, **{"rule.test": "is", "rule.value": "<b>good"})
    assert "is at least or is at most" in wrong and "&lt;b&gt;good" in wrong
    # Nobody calls with such a score: the next call goes to the next buyer.
    await post(buyer, address, 303, **form, **whole, **{"rule.test": "at_least", "rule.value": "850"})
    assert 'value="850"' in await read(buyer, address)
    assert await who_gets_the_next_call(engine, house, tmp_path) == (second, {RejectionCode.FILTERS})
    async with engine.begin() as connection:
        noted = (await connection.execute(select(tables.audit_log.c.after))).scalars().all()
        await connection.execute(update(tables.leases).values(released_at=datetime.now(UTC)))
        await connection.execute(update(tables.cap_counters).values(used=0))
    assert ["credit_score is at least 850"] in [after.get("only_when") for after in noted if after]
    await post(buyer, address, 303, concurrency_cap="1", **whole)
    assert (await who_gets_the_next_call(engine, house, tmp_path))[0] == first
