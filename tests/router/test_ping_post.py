"""A call through a ping_post stage of a real market: PostgreSQL, real bidders, and the decision that is stored."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from router import kept_data
from router.auction_house import open_auctions
from router.domain.decision import RejectionCode
from router.replay import replay
from router.reservations import take_lease
from router.route_call import Routed, Router
from router.snapshot import CurrentSnapshot
from store.tables import ping_endpoints
from tests.router.auctions import LOOPBACK
from tests.router.bidders import SECRET, Bidders, bidders
from tests.router.markets import PATIENT_SECONDS, a_campaign, a_licence, a_market, a_request, a_target
from tests.router.stored import execute, scalar, store_market


def a_ping_post_market(count: int, together: int) -> dict[str, Any]:
    """`count` bidders in the first stage, one desk at a fixed price in the second."""
    ids = range(1, count + 2)
    campaign = a_campaign([[(target, 1) for target in ids[:-1]], [(count + 1, 1)]])
    for stage in campaign["stages"]:
        stage |= {"deadline_ms": 400, "floor_micros": 10_000_000, "simultaneous": together}
    campaign["stages"][0]["method"] = "ping_post"
    return a_market([a_target(target) for target in ids], [a_licence(target) for target in ids], campaign)


@asynccontextmanager
async def routed_among(
    engine: AsyncEngine, there: Bidders, tmp_path: Path, paths: Sequence[str], *, together: int = 1
) -> AsyncIterator[tuple[Router, CurrentSnapshot]]:
    await store_market(engine, a_ping_post_market(len(paths), together))
    for target_id, path in enumerate(paths, 1):
        endpoint = {"target_id": target_id, "dialect": "tollbridge", "url": there.url(path), "secret": SECRET}
        async with engine.begin() as connection:
            await connection.execute(insert(ping_endpoints).values(**endpoint, cost_micros=1500))
    snapshot = CurrentSnapshot(engine, tmp_path / "snapshot.json")
    await snapshot.load()
    async with open_auctions(engine, own_hop="house-a", rules=LOOPBACK) as auction:
        yield Router(engine, snapshot, auction, database_seconds=PATIENT_SECONDS), snapshot


@pytest.fixture(autouse=True)
def no_kept_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_data, "read_area_codes", dict)
    monkeypatch.setattr(kept_data, "read_zip_codes", dict)


def refused(routed: Routed) -> dict[int, RejectionCode]:
    return {rejection.target_id: rejection.code for rejection in routed.decision.rejections}


async def test_the_best_bid_that_is_still_good_at_the_post_gets_the_call(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    paths = [
        "/bid?amount=60&refuse_post=1", "/bid?amount=50&dial=%2B16145550199&seconds=75", "/bid?amount=20",
        "/bid?amount=9.99", "/bid?amount=70&after_ms=700", "/flood", "/refuse", "/redirect",
    ]  # fmt: skip
    call_id = str(uuid4())
    async with bidders() as there, routed_among(engine, there, tmp_path, paths) as (router, snapshot):
        routed = await router.route_call(a_request(call_id=call_id, now=datetime.now(UTC)), 1)
        chosen = routed.decision.chosen
        assert chosen is not None and chosen.target_id == 2
        assert (chosen.bid_micros, chosen.minimum_connected_ms, chosen.dial) == (
            50_000_000,
            75_000,
            "+16145550199",
        )
        assert routed.leased
        assert refused(routed) == {
            1: RejectionCode.POST_REFUSED,
            3: RejectionCode.LOWER_BID,
            4: RejectionCode.BELOW_FLOOR,
            5: RejectionCode.LATE_BID,
            6: RejectionCode.INVALID_BID,
            7: RejectionCode.NO_BID,
            8: RejectionCode.INVALID_BID,
            9: RejectionCode.LOWER_RANK,
        }
        posted = [question["ping_id"] for _, question in there.asked if question["kind"] == "post"]
        pinged = [question["ping_id"] for _, question in there.asked if question["kind"] == "ping"]
        assert set(posted) <= set(pinged) and len(posted) == 2
        again = replay(routed.decision.to_json(), snapshot.current)
        assert again.to_bytes() == routed.decision.to_bytes()
    held = await scalar(engine, "SELECT used FROM cap_counters WHERE key = 'target:2:concurrency'")
    given_back = await scalar(engine, "SELECT used FROM cap_counters WHERE key = 'target:1:concurrency'")
    assert (held, given_back) == (1, 0)
    assert (
        await scalar(
            engine, "SELECT count(*) FROM pings WHERE call_id = :call AND kind = 'ping'", call=call_id
        )
        == 8
    )
    # The late one answered while nobody waited any more: it is stored with what it would have paid.
    late = await scalar(
        engine, "SELECT outcome || ' ' || coalesce(bid_micros, 0) FROM pings WHERE target_id = 5"
    )
    assert late.startswith("late")


async def test_no_stored_question_names_the_caller(engine: AsyncEngine, tmp_path: Path) -> None:
    """The winner is told the number, and a bidder whose contract shows it: what is kept of that is not sealed."""
    paths = ["/bid?amount=60", "/bid?amount=20"]
    async with bidders() as there, routed_among(engine, there, tmp_path, paths) as (_, snapshot):
        await execute(engine, "UPDATE ping_endpoints SET expose_caller = true WHERE target_id = 2")
        async with open_auctions(engine, own_hop="house-a", rules=LOOPBACK) as auction:
            router = Router(engine, snapshot, auction, database_seconds=PATIENT_SECONDS)
            request = a_request(call_id=str(uuid4()), now=datetime.now(UTC))
            await router.route_call(request, 1)
        assert request.caller is not None
        assert sum(question.get("caller") == request.caller for _, question in there.asked) == 2
    texts = "SELECT string_agg(request || answer || detail || reference, ' ') FROM pings"
    assert request.caller[2:] not in await scalar(engine, texts)


async def test_a_bid_that_never_pays_loses_and_a_replay_says_the_same(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    """Its endpoint may bid that much, and its calls have been long once."""
    paths = ["/bid?amount=10000&seconds=3600", "/bid?amount=45&seconds=60", "/bid?amount=44&seconds=60"]
    async with bidders() as there, routed_among(engine, there, tmp_path, paths) as (_, snapshot):
        await execute(
            engine,
            "UPDATE ping_endpoints SET highest_bid_micros = 10000000000, longest_minimum_seconds = 3600",
        )
        await execute(
            engine,
            "INSERT INTO bidder_records (target_id, lasted) VALUES (1, :lasted)",
            lasted=[40, *[40] * 16, 0],
        )
        async with open_auctions(engine, own_hop="house-a", rules=LOOPBACK) as auction:
            router = Router(engine, snapshot, auction, database_seconds=PATIENT_SECONDS)
            routed = await router.route_call(a_request(call_id=str(uuid4()), now=datetime.now(UTC)), 1)
    decision = routed.decision
    assert decision.chosen is not None and decision.chosen.target_id == 2
    details = {one.target_id: one.detail for one in decision.rejections}
    why = "worth $22.00: it has had no calls yet, and 50 in 100 are expected to last 60 s"
    assert details[3] == f"rank 2 of 3: bid $44.00, {why}"
    assert details[1] == (
        "worth $3.33: 0 of its last 40 calls lasted 3,600 s; $10,000.00 is worth less than $10.00"
    )
    again = replay(json.loads(json.dumps(routed.to_json())), snapshot.current)
    assert again.to_bytes() == decision.to_bytes()


async def test_when_no_bidder_is_any_good_the_next_stage_takes_the_call(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    async with (
        bidders() as there,
        routed_among(engine, there, tmp_path, ["/garbage", "/hang"]) as (router, _),
    ):
        routed = await router.route_call(a_request(call_id=str(uuid4()), now=datetime.now(UTC)), 1)
    assert routed.decision.chosen is not None and routed.decision.chosen.target_id == 3
    assert routed.decision.chosen.bid_micros is None
    assert refused(routed) == {1: RejectionCode.INVALID_BID, 2: RejectionCode.LATE_BID}


async def a_ping_holds_room_of(engine: AsyncEngine, snapshot: CurrentSnapshot, target_id: int) -> None:
    """As another publisher's ping does, on which nobody has called."""
    ping, until = uuid4(), datetime.now(UTC) + timedelta(minutes=1)
    async with engine.begin() as connection:
        assert await take_lease(connection, ping, 1, snapshot.current.targets[target_id], until)
    await execute(
        engine,
        "INSERT INTO rtb_reservations"
        " (id, rtb_key_id, campaign_id, publisher_id, caller_index, target_id, state, held_room, expires_at)"
        " SELECT CAST(:ping AS uuid), k.id, 1, k.publisher_id, sha256(uuid_send(CAST(:ping AS uuid))), :target,"
        " 'confirmed', true, :until"
        " FROM rtb_keys k",
        ping=str(ping),
        target=target_id,
        until=until,
    )


async def test_a_call_that_a_bidder_would_not_have_still_goes_before_the_pings_of_others(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    """The first ping gave way to a bidder that refused: the next one gives way, too."""
    refuses = ["/bid?amount=60&refuse_post=1"]
    async with bidders() as there, routed_among(engine, there, tmp_path, refuses) as (router, snapshot):
        await execute(
            engine, "INSERT INTO rtb_keys (key_digest, publisher_id, campaign_id) VALUES ('', 1, 1)"
        )
        await execute(engine, "UPDATE campaigns SET pings_yield_after_seconds = 0")
        await snapshot.refresh()
        for target_id in (1, 2):
            await a_ping_holds_room_of(engine, snapshot, target_id)
        routed = await router.route_call(a_request(call_id=str(uuid4()), now=datetime.now(UTC)), 1)
    assert [offer.target_id for offer in routed.ringing] == [2]
    assert refused(routed) == {1: RejectionCode.POST_REFUSED}


async def test_the_next_attempt_goes_to_the_next_best_bid_without_asking_again(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    call_id = str(uuid4())
    paths = ["/bid?amount=60", "/bid?amount=50"]
    async with bidders() as there, routed_among(engine, there, tmp_path, paths) as (router, _):
        request = a_request(call_id=call_id, now=datetime.now(UTC))
        first = await router.route_call(request, 1)
        second = await router.route_call(a_request(call_id=call_id, now=datetime.now(UTC), tried=(1,)), 2)
        kinds = [(question["kind"], path[-2:]) for path, question in there.asked]
    assert [one.decision.chosen.target_id for one in (first, second) if one.decision.chosen] == [1, 2]
    assert sorted(kinds) == [("ping", "50"), ("ping", "60"), ("post", "50"), ("post", "60")]


async def test_all_that_ring_together_are_told_first_and_who_refuses_does_not_ring(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    paths = [
        "/bid?amount=60",
        "/bid?amount=55&refuse_post=1",
        "/bid?amount=50&post_dial=%2B16145550199",
        "/bid",
    ]
    call_id = str(uuid4())
    async with (
        bidders() as there,
        routed_among(engine, there, tmp_path, paths, together=3) as (router, snapshot),
    ):
        routed = await router.route_call(a_request(call_id=call_id, now=datetime.now(UTC)), 1)
        posts = [path[12:14] for path, question in there.asked if question["kind"] == "post"]
        assert sorted(posts) == ["50", "55", "60"], "the fourth neither rings nor is told"
        rung = [(offer.target_id, offer.dial) for offer in routed.ringing]
        assert rung == [(1, None), (3, "+16145550199")]
        assert refused(routed)[2] == RejectionCode.POST_REFUSED
        again = replay(routed.decision.to_json(), snapshot.current)
        assert again.to_bytes() == routed.decision.to_bytes()
    held = "SELECT string_agg(attempt || ':' || target_id, ' ' ORDER BY attempt) FROM leases WHERE released_at IS NULL"
    assert await scalar(engine, held) == "1:1 2:3", "a leg finds its room by its attempt"
    assert await scalar(engine, "SELECT used FROM cap_counters WHERE key = 'target:2:concurrency'") == 0
    stages = "SELECT count(*) FROM pings WHERE kind = 'post' AND stage_id = :stage"
    assert await scalar(engine, stages, stage=routed.decision.stage_id) == 3


async def test_without_the_database_too_nobody_rings_who_was_not_told(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    paths = ["/bid?amount=60", "/bid?amount=55&refuse_post=1", "/bid?amount=50"]
    async with bidders() as there, routed_among(engine, there, tmp_path, paths, together=2) as (router, _):
        await router.keep_last_known(tmp_path / "snapshot.json", tmp_path, maximum_age_hours=24)
        router._database_seconds = 0.0  # a database that is too slow
        routed = await router.route_call(a_request(call_id=str(uuid4()), now=datetime.now(UTC)), 1)
    assert not routed.leased and [offer.target_id for offer in routed.ringing] == [1]
