"""The database is slow or away: a call is decided on what was known last, and what binds binds."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from router import kept_data, last_known_file, last_known_keeper
from router.domain.counts import Counts
from router.domain.decision import canonical_bytes
from router.domain.last_known import DIGEST_BYTES, SUPPRESSED_RECORD, DigestTable, LastKnown, digest_of_caller
from router.last_known_file import (
    caller_key_path,
    callers_path,
    known_path,
    read_last_known,
    read_rung,
    rung_path,
)
from router.replay import replay
from router.route_call import Routed, Router
from router.rung_sums import rung_for
from router.rung_without_database import set_aside, take_room
from router.snapshot import CurrentSnapshot
from router.snapshot_file import write_snapshot
from store.session import open_engine
from tests.router.markets import a_request, a_small_market
from tests.router.stored import execute, scalar, store_market
from tests.router.test_route_call import CLOSED_PORT, target_of, used
from tests.sealed import hex_of, index_of

CALLER = "+16145550123"
PRICE = 45_000_000
NOW = datetime.now(UTC)


@pytest.fixture
async def market(engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CurrentSnapshot:
    """Three targets for nine calls at once; the first buyer has prepaid $90, and a call costs $45."""
    monkeypatch.setattr(kept_data, "read_area_codes", dict)
    monkeypatch.setattr(kept_data, "read_zip_codes", dict)
    document = a_small_market(3)
    for target in document["targets"]:
        target["concurrency_cap"] = 9
    for buyer in document["buyers"]:
        buyer["credit_limit_micros"] = 2 * PRICE if buyer["id"] == 1 else None
    terms = {"campaign_id": 1, "goes_live_at": "2020-01-01T00:00:00+00:00", "price_micros": PRICE}
    document["terms"] = [{"buyer_id": 1, **terms}]
    cap = {"owner": "target", "kind": "attempts", "period": "day", "range_name": None}
    document["caps"] = [
        {"id": 1, "owner_id": 2, "at_most": 1, "time_zone": "America/New_York", **cap},
    ]
    await store_market(engine, document)
    file = tmp_path / "snapshot.json"
    write_snapshot(file, version=1, market=canonical_bytes(document))
    current = CurrentSnapshot(open_engine(CLOSED_PORT, application_name="test"), file)
    await current.load()
    return current


async def router_of(engine: AsyncEngine, market: CurrentSnapshot, folder: Path) -> Router:
    router = Router(engine, market)
    await router.keep_last_known(folder / "snapshot.json", folder, maximum_age_hours=24)
    return router


async def suppress(engine: AsyncEngine, buyer_id: int, caller: str = CALLER) -> None:
    columns = "buyer_id, caller_sealed, caller_index"
    await execute(engine, f"INSERT INTO buyer_suppressions ({columns}) VALUES ({buyer_id}, {hex_of(caller)})")


@asynccontextmanager
async def a_slow_database(engine: AsyncEngine) -> AsyncIterator[None]:
    """Somebody holds a lock that every call waits for."""
    async with engine.begin() as connection:
        await connection.exec_driver_sql(
            "LOCK TABLE cap_counters, buyer_suppressions IN ACCESS EXCLUSIVE MODE"
        )
        yield


async def call(router: Router, caller: str | None = CALLER) -> Routed:
    return await router.route_call(a_request(call_id=str(uuid4()), caller=caller, now=datetime.now(UTC)), 1)


async def read_by(router: Router, engine: AsyncEngine, market: CurrentSnapshot, folder: Path) -> None:
    """Let the process read its counters and the worker look, until nothing counts twice."""
    async with asyncio.timeout(5):
        while read_rung(rung_path(folder)):
            await router._database.last_known.refresh(market.current, all_of_it=True)
            await take_room(engine, rung_path(folder), folder / "snapshot.json")
            await asyncio.sleep(0.1)


def codes(routed: Routed) -> dict[int, str]:
    return {one.target_id: str(one.code) for one in routed.decision.rejections}


def known_of(routed: Routed) -> dict[str, int | None]:
    return {one.what: one.age_ms for one in routed.decision.counts.not_known}


async def test_a_suppressed_caller_is_not_rung_while_the_database_is_slow(
    engine: AsyncEngine, market: CurrentSnapshot, tmp_path: Path
) -> None:
    await suppress(engine, 1)
    router = await router_of(engine, market, tmp_path)
    async with a_slow_database(engine):
        routed = await call(router)
        other = await call(router, "+16145550124")
    assert routed.problem == "no answer within 300 ms"
    assert (target_of(routed), codes(routed)[1]) == (2, "suppressed")
    assert target_of(other) == 1
    ages = known_of(routed)
    assert ages.pop("turns") is None
    assert set(ages) == {"suppression", "wallets", "caps", "earlier_calls"}
    assert all(age is not None and 0 <= age < 60_000 for age in ages.values())
    stored = routed.decision.to_json()
    assert stored["inputs"]["counts"]["suppressed_buyers"] == [1]
    assert replay(stored, market.current).to_bytes() == routed.decision.to_bytes()


async def test_nor_by_a_process_that_starts_while_the_database_is_away(
    engine: AsyncEngine, market: CurrentSnapshot, tmp_path: Path
) -> None:
    await suppress(engine, 1)
    await router_of(engine, market, tmp_path)
    nowhere = open_engine(CLOSED_PORT, application_name="test")
    routed = await call(await router_of(nowhere, market, tmp_path))
    assert (target_of(routed), codes(routed)[1]) == (2, "suppressed")
    await nowhere.dispose()


async def test_lists_that_nobody_has_read_or_that_are_a_day_old_sell_nobody(
    market: CurrentSnapshot, tmp_path: Path
) -> None:
    nowhere = open_engine(CLOSED_PORT, application_name="test")
    router = await router_of(nowhere, market, tmp_path)
    never = await call(router)
    assert not never.ringing and set(codes(never).values()) == {"not_known"}
    assert "suppressed callers are not known" in never.decision.rejections[0].detail
    assert target_of(await call(router, caller=None)) == 2, (
        "who has no number is on no list; 1 may have no money"
    )
    known = router._database.last_known.known
    known.suppressed = DigestTable(b"", SUPPRESSED_RECORD)
    known.suppressed_ms = time.time_ns() // 1_000_000 - 25 * 3_600_000
    old = await call(router)
    assert not old.ringing and "25 h old, and count for 24 h" in old.decision.rejections[0].detail
    for routed in (never, old):
        assert replay(routed.decision.to_json(), market.current).to_bytes() == routed.decision.to_bytes()
    await nowhere.dispose()


async def test_a_stalled_database_passes_no_cap_and_empties_no_wallet_twice(
    engine: AsyncEngine, market: CurrentSnapshot, tmp_path: Path
) -> None:
    """$90 are two calls of $45, and the second target takes one call a day."""
    router = await router_of(engine, market, tmp_path)
    async with a_slow_database(engine):
        routed = [await call(router, f"+1614555010{number}") for number in range(5)]
        together = await asyncio.gather(*(call(router, f"+1614555020{number}") for number in range(5)))
    assert [target_of(one) for one in routed] == [1, 1, 2, 3, 3]
    assert {target_of(one) for one in together} == {3}
    assert codes(routed[3]) == {1: "wallet", 2: "at_cap"}
    assert "$0.00 left" in routed[3].decision.rejections[0].detail


async def test_what_was_leased_a_moment_before_counts_though_nobody_has_read_it(
    engine: AsyncEngine, market: CurrentSnapshot, tmp_path: Path
) -> None:
    router = await router_of(engine, market, tmp_path)
    first = await call(router, "+16145550100")
    assert first.leased and target_of(first) == 1
    async with a_slow_database(engine):
        rest = [await call(router, f"+1614555011{number}") for number in range(3)]
    assert [target_of(one) for one in rest].count(1) == 1, "the wallet holds two calls"


async def test_what_a_buyer_disputes_is_off_its_credit_while_the_database_is_slow(
    engine: AsyncEngine, market: CurrentSnapshot, tmp_path: Path
) -> None:
    await execute(
        engine, "INSERT INTO wallets (buyer_id, disputed_micros) VALUES (1, :micros)", micros=PRICE + 1
    )
    router = await router_of(engine, market, tmp_path)
    async with a_slow_database(engine):
        routed = await call(router)
    assert (target_of(routed), codes(routed)[1]) == (2, "wallet")


async def test_a_stalled_database_holds_the_most_that_a_contract_can_ask(
    engine: AsyncEngine, market: CurrentSnapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first rule asks for $45, the dearest for $80: of $90 that is one call, as while the database answers."""
    snapshot = market.current
    dear = {
        key: tuple(replace(one, highest_micros=80_000_000) for one in all_)
        for key, all_ in snapshot.terms.items()
    }
    monkeypatch.setattr(type(market), "current", replace(snapshot, terms=dear))
    router = await router_of(engine, market, tmp_path)
    async with a_slow_database(engine):
        routed = [await call(router, f"+1614555010{number}") for number in range(2)]
    assert [target_of(one) for one in routed] == [1, 2]
    assert (
        "$10.00 left of wallet and credit, the call may cost $80.00"
        in routed[1].decision.rejections[0].detail
    )


async def test_what_rang_without_the_database_holds_room_and_money_once_it_answers(
    engine: AsyncEngine, market: CurrentSnapshot, tmp_path: Path
) -> None:
    router = await router_of(engine, market, tmp_path)
    async with a_slow_database(engine):
        for number in range(3):
            await call(router, f"+1614555010{number}")
    # A second process of this node, and one that starts anew, count them too.
    again = await router_of(engine, market, tmp_path)
    async with a_slow_database(engine):
        assert target_of(await call(again)) == 3
    file = rung_path(tmp_path)
    set_aside(file)
    assert await take_room(engine, file, tmp_path / "snapshot.json") == 4
    assert await take_room(engine, file, tmp_path / "snapshot.json") == 0
    assert await scalar(engine, "SELECT held_micros FROM wallets WHERE buyer_id = 1") == 2 * PRICE
    assert await used(engine) == {1: 2, 2: 1, 3: 1}
    routed = await call(await router_of(engine, market, tmp_path), "+16145550199")
    assert routed.leased and (target_of(routed), codes(routed)) == (3, {1: "wallet", 2: "at_cap"})


async def test_files_of_what_was_rung_are_read_again_only_when_somebody_else_wrote_them(
    engine: AsyncEngine, market: CurrentSnapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an hour without the database they grow to thousands of lines, and calls are decided beside."""
    reads: list[Path] = []
    monkeypatch.setattr(
        last_known_keeper, "read_rung", lambda path: reads.append(path) or last_known_file.read_rung(path)
    )
    router, file = await router_of(engine, market, tmp_path), rung_path(tmp_path)
    keeper = router._database.last_known
    async with a_slow_database(engine):
        for _ in range(3):
            await call(router)
    keeper._look_for_rung()
    reads.clear()
    async with a_slow_database(engine):
        await call(router)
    keeper._look_for_rung()
    assert reads == [] and len(keeper._filed) == 4
    line = file.read_bytes().splitlines(keepends=True)[0]
    with file.open("ab") as by_survival:
        by_survival.write(line)
    keeper._look_for_rung()
    assert reads == [file] and len(keeper._filed) == 5
    set_aside(file)
    keeper._look_for_rung()
    assert reads == [file], "it was only renamed"
    await take_room(engine, file, tmp_path / "snapshot.json")
    keeper._look_for_rung()
    assert len(keeper._filed) == 5, "not counted by this process yet"
    await read_by(router, engine, market, tmp_path)
    keeper._look_for_rung()
    assert keeper._filed == []


async def test_room_that_the_worker_took_counts_until_this_process_has_read_it(
    engine: AsyncEngine, market: CurrentSnapshot, tmp_path: Path
) -> None:
    """The database may answer just long enough for the worker, and for nobody else."""
    router, file = await router_of(engine, market, tmp_path), rung_path(tmp_path)
    full = (3, {1: "wallet", 2: "at_cap"})
    for number in range(3):  # one after the other, each time with room taken in between
        async with a_slow_database(engine):
            await call(router, f"+1614555010{number}")
        set_aside(file)
        assert await take_room(engine, file, tmp_path / "snapshot.json") == 1
    assert len(rung_for(file, "none", None)) >= 3, "the survival script counts them as well"
    async with a_slow_database(engine):
        routed = await call(router, "+16145550199")
    assert (target_of(routed), codes(routed)) == full
    set_aside(file)
    await take_room(engine, file, tmp_path / "snapshot.json")
    await read_by(router, engine, market, tmp_path)
    async with a_slow_database(engine):
        routed = await call(router, "+16145550198")
    assert (target_of(routed), codes(routed)) == full


def test_lines_that_the_worker_moves_are_read_twice_rather_than_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = rung_path(tmp_path)
    file.write_text("x\n")

    def read(path: Path) -> list[Path]:
        found = [path] if path.exists() else []
        if path != last_known_file.taken_path(file):
            set_aside(file)  # at the worst moment: between two readings
        return found

    monkeypatch.setattr(last_known_file, "rung_in", read)
    assert last_known_file.read_rung(file) != []


async def test_a_line_that_cannot_be_taken_holds_nobody_up(
    engine: AsyncEngine, market: CurrentSnapshot, tmp_path: Path
) -> None:
    router = await router_of(engine, market, tmp_path)
    async with a_slow_database(engine):
        await call(router)
    file = rung_path(tmp_path)
    line = json.loads(file.read_text())
    lines = ["torn", json.dumps({**line, "call_id": "no id"}), json.dumps(line)]
    file.write_text("\n".join(lines) + "\n")
    set_aside(file)
    assert await take_room(engine, file, tmp_path / "snapshot.json") == 2
    assert await used(engine) == {1: 1, 2: 0, 3: 0}


async def test_a_caller_of_a_moment_ago_is_known_as_one(
    engine: AsyncEngine, market: CurrentSnapshot, tmp_path: Path
) -> None:
    """By the calls that were read, by those this process routed since, and by those rung without the database."""
    statement = (
        "INSERT INTO calls (id, linkedid, node, started_at, caller_index, campaign_id, target_id, converted, state) "
        "VALUES (:id, 'old', 'a', now() - interval '1 day', :caller, 1, 3, true, 'settled')"
    )
    await execute(engine, statement, id=uuid4(), caller=index_of(CALLER))
    await execute(
        engine,
        "INSERT INTO decisions (call_id, sequence, decided_by, decided_at, target_id, duration_us, decision) "
        "SELECT id, 1, 'router', now(), 3, 1, '{}' FROM calls",
    )
    router = await router_of(engine, market, tmp_path)
    routed = await call(router, "+16145550124")
    assert routed.leased
    async with a_slow_database(engine):
        first, second = await call(router), await call(router, "+16145550124")
        third = await call(router)
    earlier = [one.decision.counts.facts.earlier_calls for one in (first, second, third)]
    assert [(one.target_id, one.converted) for one in earlier[0]] == [(3, True)]
    assert [UUID(one.call_id) for one in earlier[1]] == [UUID(routed.decision.request.call_id)]
    assert [one.target_id for one in earlier[2]] == [1, 3], "the newest first"


async def test_what_is_known_is_read_again_when_the_lists_change(
    engine: AsyncEngine, market: CurrentSnapshot, tmp_path: Path
) -> None:
    router = await router_of(engine, market, tmp_path)
    await suppress(engine, 1)
    last_known = router._database.last_known
    for _ in range(300):
        await last_known.refresh(market.current)
        if len(last_known.known.suppressed or b""):
            break
        await asyncio.sleep(0.1)
    stored = read_last_known(tmp_path / "snapshot.json")
    assert stored.suppressed is not None
    assert [*stored.suppressed.find(digest_of_caller(CALLER, stored.caller_key))] == [(1,)]
    key_file = caller_key_path(callers_path(tmp_path / "snapshot.json"))
    assert key_file.stat().st_mode & 0o077 == 0 and key_file.read_bytes() == stored.caller_key
    unkeyed = hashlib.sha256(CALLER.encode()).digest()[:DIGEST_BYTES]
    assert unkeyed not in callers_path(tmp_path / "snapshot.json").read_bytes(), (
        "nobody finds it by trying all"
    )


@pytest.mark.parametrize("cut", [0, 1, 40, 200])
async def test_files_that_are_damaged_count_as_never_written(
    engine: AsyncEngine, market: CurrentSnapshot, tmp_path: Path, cut: int
) -> None:
    await suppress(engine, 1)
    router = await router_of(engine, market, tmp_path)
    await call(router)
    await router._database.last_known.refresh(market.current, all_of_it=True)
    for path in (callers_path(tmp_path / "snapshot.json"), known_path(tmp_path / "snapshot.json")):
        assert path.stat().st_mode & 0o077 == 0
        path.write_bytes(path.read_bytes()[: max(0, path.stat().st_size - 1 - cut)])
    stored = read_last_known(tmp_path / "snapshot.json")
    assert (stored.suppressed_ms, stored.owed_micros, stored.counted_ms) == (None, None, None)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(-(2**63), 2**63 - 1)), max_size=60))
def test_a_table_finds_what_is_in_it_and_nothing_else(rows: list[tuple[int, int]]) -> None:
    digests = {number: digest_of_caller(str(number), b"k") for number in range(32)}
    records = sorted(SUPPRESSED_RECORD.pack(digests[number], buyer) for number, buyer in rows)
    table = DigestTable(b"".join(records), SUPPRESSED_RECORD)
    for number, digest in digests.items():
        found = sorted(buyer for (buyer,) in table.find(digest))
        assert found == sorted(buyer for one, buyer in rows if one == number)


def test_nothing_known_is_not_nothing_in_use(tmp_path: Path) -> None:
    assert read_last_known(tmp_path / "none").suppressed is None
    assert Counts.from_json(Counts().to_json()) == Counts()
    assert LastKnown().maximum_age_ms == 24 * 3_600_000
