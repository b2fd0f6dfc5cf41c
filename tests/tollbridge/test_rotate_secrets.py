"""Keys are rotated while processes run: nothing is lost, no matter when it is interrupted or who writes meanwhile."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import BigInteger, Column, MetaData, Table, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store import key_ring as key_rings
from store import tables
from store.key_ring import KeyRing, key_ring
from store.sealed_columns import BlindIndex, SealedText
from store.web_tables import SECOND_FACTOR
from tests.postgres import execute
from tollbridge import seal_anew
from tollbridge.faults import CannotRun
from tollbridge.rotate_secrets import KEPT_SECONDS, Rotated, rotate
from tollbridge.seal_anew import Count, check_all, columns_of_database
from tollbridge.sealed_database import say_which_keys
from tollbridge.sealing_keys import make_sealing_keys, sealing_keys_of, use_sealing_keys, write_sealing_keys
from tollbridge.settings import Settings

ENDPOINTS = 450


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """A node with keys of its own, which this process seals by."""
    kept = list(key_rings._source)
    settings = Settings(data_dir=tmp_path / "data", sealing_keys_file=tmp_path / "keys", node_name="a")
    make_sealing_keys(settings)
    use_sealing_keys(settings)
    yield settings
    key_rings._source[:] = kept


def secret_of(target_id: int) -> str:
    return f"a secret of bidder {target_id}"


@pytest.fixture
async def house(engine: AsyncEngine, settings: Settings) -> AsyncEngine:
    async with engine.begin() as connection:
        buyer = await connection.scalar(insert(tables.buyers).values(name="b").returning(tables.buyers.c.id))
        target: dict[str, Any] = {"buyer_id": buyer, "sip_uri": "sip:a@b", "loan_types": [], "schedule": []}
        rows = [{**target, "id": n, "name": str(n)} for n in range(1, ENDPOINTS + 1)]
        await connection.execute(insert(tables.targets), rows)
        endpoint = {"dialect": "ringba", "url": "https://b.example", "settings": {"a": 1}}
        rows = [{**endpoint, "target_id": n, "secret": secret_of(n)} for n in range(1, ENDPOINTS + 1)]
        await connection.execute(insert(tables.ping_endpoints), rows)
        trunk = {"name": "t", "carrier_name": "c", "addresses": [], "password": "a trunk's"}
        await connection.execute(insert(tables.trunks).values(trunk))
        person = {"id": 5, "email": "a@b.example", "password_hash": "", "role": "admin"}
        seed = SECOND_FACTOR.seal(b"a seed", 5)
        await connection.execute(insert(tables.users).values(**person, totp_secret=seed))
    return engine


async def everything_opens(engine: AsyncEngine) -> None:
    """As a running process reads it."""
    async with engine.connect() as connection:
        for row in await connection.execute(select(tables.ping_endpoints)):
            assert row.secret.startswith(secret_of(row.target_id)) and row.settings == {"a": 1}
        assert await connection.scalar(select(tables.trunks.c.password)) == "a trunk's"
        seed = (await connection.execute(select(tables.users.c.totp_secret))).scalar_one()
        assert SECOND_FACTOR.unseal(seed, 5) == b"a seed"


def quietly(_: str) -> None:
    pass


def a_day_passes(settings: Settings) -> None:
    assert settings.sealing_keys_file
    long_ago = time.time() - KEPT_SECONDS - 1
    os.utime(settings.sealing_keys_file, (long_ago, long_ago))


async def older_left(engine: AsyncEngine, ring: KeyRing) -> int:
    return sum(one.left for one in await check_all(engine, ring, quietly))


async def test_everything_is_sealed_by_a_newer_key_and_a_day_later_the_older_one_goes(
    house: AsyncEngine, settings: Settings
) -> None:
    before = sealing_keys_of(settings)
    done = await rotate(house, settings, quietly)
    ring = sealing_keys_of(settings)
    assert (done.older_keys, len(ring.keys)) == (1, 2) and "stay until" in done.next_step
    assert {one.column: one.sealed for one in done.columns if one.sealed} == {
        "ping_endpoints.secret": ENDPOINTS,
        "ping_endpoints.settings": ENDPOINTS,
        "trunks.password": 1,
        "users.totp_secret": 1,
    }
    assert key_ring() == ring and await older_left(house, ring) == 0
    await everything_opens(house)

    assert (
        len(sealing_keys_of(settings).keys) == 2 and (await rotate(house, settings, quietly)).older_keys == 1
    )
    a_day_passes(settings)
    done = await rotate(house, settings, quietly)
    assert (done.older_keys, done.next_step) == (0, "")
    assert (
        sealing_keys_of(settings) == ring.newest_only()
        and before.keys[0] not in sealing_keys_of(settings).keys
    )
    await everything_opens(house)


def test_every_sealed_column_of_every_table_is_among_them() -> None:
    names = {one.name for one in columns_of_database()}
    assert {
        "ping_endpoints.secret",
        "ping_endpoints.settings",
        "trunks.password",
        "users.totp_secret",
    } <= names


@pytest.mark.parametrize("at", [1, 3, 5])
async def test_it_may_be_interrupted_anywhere_and_run_again(
    house: AsyncEngine, settings: Settings, at: int
) -> None:
    heard: list[str] = []

    def stops(told: str) -> None:
        heard.append(told)
        if len(heard) == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await rotate(house, settings, stops)
    await everything_opens(house)
    done = await rotate(house, settings, quietly, drop_now=True)
    assert done.older_keys == 0 and len(sealing_keys_of(settings).keys) == 1
    await everything_opens(house)
    assert not [one for one in await check_all(house, sealing_keys_of(settings), quietly) if one.lost]


async def test_whoever_writes_meanwhile_loses_nothing(house: AsyncEngine, settings: Settings) -> None:
    ended = asyncio.Event()

    async def write() -> int:
        written = 0
        while not ended.is_set():
            target_id = written % ENDPOINTS + 1
            values = {"secret": f"{secret_of(target_id)} {written}"}
            async with house.begin() as connection:
                await connection.execute(
                    update(tables.ping_endpoints)
                    .where(tables.ping_endpoints.c.target_id == target_id)
                    .values(values)
                )
            written += 1
        return written

    writing = asyncio.create_task(write())
    for _ in range(3):
        done = await rotate(house, settings, quietly, drop_now=True)
        assert done.older_keys == 0
    ended.set()
    assert await writing > 10
    await everything_opens(house)
    assert await older_left(house, sealing_keys_of(settings)) == 0


async def test_older_keys_stay_while_something_does_not_open(house: AsyncEngine, settings: Settings) -> None:
    async with house.begin() as connection:
        await connection.execute(
            text(
                "UPDATE ping_endpoints SET secret = overlay(secret PLACING 'x' FROM 30) WHERE target_id = 77"
            )
        )
    done = await rotate(house, settings, quietly, drop_now=True)
    assert done.older_keys == 1 and "ping_endpoints.secret of row 77 does not open" in done.next_step
    found = {one.column: one for one in await check_all(house, sealing_keys_of(settings), quietly)}
    assert (found["ping_endpoints.secret"].lost, found["ping_endpoints.secret"].lost_count) == (["77"], 1)
    async with house.begin() as connection:
        await connection.execute(text("UPDATE ping_endpoints SET secret = NULL WHERE target_id = 77"))
    assert (await rotate(house, settings, quietly, drop_now=True)).older_keys == 0


async def test_a_row_that_somebody_holds_is_left_to_them_and_done_the_next_time(
    house: AsyncEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seal_anew, "PAUSE_SECONDS", 0)
    async with house.begin() as connection:
        await connection.execute(text("SELECT FROM trunks FOR UPDATE"))
        done = await rotate(house, settings, quietly, drop_now=True)
    assert done.older_keys == 1 and "1 rows were in use" in done.next_step
    assert (await rotate(house, settings, quietly, drop_now=True)).older_keys == 0


async def test_two_at_once_make_one_newer_key(house: AsyncEngine, settings: Settings) -> None:
    found = await asyncio.gather(
        *(rotate(house, settings, quietly) for _ in range(2)), return_exceptions=True
    )
    assert {type(one) for one in found} == {Rotated, CannotRun}
    assert len(sealing_keys_of(settings).keys) == 2


async def test_nothing_is_sealed_by_a_key_that_another_node_has_not(
    house: AsyncEngine, settings: Settings, tmp_path: Path
) -> None:
    other = settings.model_copy(update={"node_name": "b", "sealing_keys_file": tmp_path / "of-b"})

    def copy() -> None:
        write_sealing_keys(other, sealing_keys_of(settings))

    async def b_says() -> None:
        use_sealing_keys(other)
        await say_which_keys(house, "b")
        use_sealing_keys(settings)

    async def step() -> Rotated:
        return await rotate(house, settings, quietly, drop_now=True)

    copy()
    await b_says()
    before = sealing_keys_of(settings)
    assert "copy" in (await step()).next_step and "node b" in (await step()).next_step
    assert sealing_keys_of(settings).keys == before.keys, "prepared only"
    copy()
    await b_says()
    assert "node b still seals by one" in (await step()).next_step
    use_sealing_keys(other)
    await everything_opens(house)
    use_sealing_keys(settings)
    copy()
    await b_says()
    done = await step()
    assert (done.older_keys, len(sealing_keys_of(settings).keys)) == (0, 1) and "node b" in done.next_step


async def test_rows_are_gone_through_by_whatever_key_their_table_has(
    engine: AsyncEngine, database_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seal_anew, "BATCH_ROWS", 7)
    mine = MetaData()
    table = Table(
        "listed",
        mine,
        Column("owner_id", BigInteger, primary_key=True),
        Column("number", BlindIndex("number"), primary_key=True),
        Column("sealed", SealedText("number")),
    )
    execute(
        database_url,
        "CREATE TABLE listed (owner_id bigint, number bytea, sealed bytea, PRIMARY KEY (owner_id, number));"
        " GRANT ALL ON listed TO tollbridge_app",
    )
    numbers = [(n % 3, f"+1614555{n:04}") for n in range(50)]
    rows = [{"owner_id": owner, "number": number, "sealed": number} for owner, number in numbers]
    async with engine.begin() as connection:
        await connection.execute(insert(table), rows)
    monkeypatch.setattr(seal_anew, "metadata", mine)
    done = await rotate(engine, settings, quietly, drop_now=True)
    (count,) = done.columns
    assert (count.column, count.values, count.sealed, done.older_keys) == ("listed.sealed", 50, 50, 0)
    async with engine.connect() as connection:
        found = await connection.execute(select(table.c.owner_id, table.c.sealed))
        assert sorted(map(tuple, found)) == sorted(numbers)


async def test_counts_name_only_the_first_rows_that_do_not_open() -> None:
    count = Count(column="c")
    for n in range(100):
        count.add_lost((n, "x"))
    assert (count.lost_count, len(count.lost), count.lost[1]) == (100, seal_anew.SHOWN_ROWS, "1, x")
