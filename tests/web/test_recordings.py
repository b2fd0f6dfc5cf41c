"""Recordings are opened from the disk as they are heard, by whom they may, and who heard them is in the audit log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from store.sealed_sound import PIECE_BYTES, seal_sound, sealed_path
from store.sound_keys import destroy_sound_key, make_sound_key
from tests.web.conftest import PASSWORD, Client, open_client, sign_in
from tests.web.market import STARTED_AT, Market, add_sold_call
from web.app import make_app
from web.auth import UserCreated, create_user
from web.sound_links import make_link

SOUND = b"RIFF" + bytes(range(251)) * 800
assert len(SOUND) > 3 * PIECE_BYTES


async def a_recording(engine: AsyncEngine, folder: Path, call_id: UUID) -> Path:
    plain = folder / f"{call_id}-1.wav"
    stored = {"state": "stored", "length_ms": 92_000, "sha256": "ab", "started_at": STARTED_AT}
    async with engine.begin() as connection:
        key = await make_sound_key(connection, call_id)
        await connection.execute(
            insert(tables.recordings).values(call_id=call_id, part=1, node="a", file=plain.name, **stored)
        )
    assert key is not None
    seal_sound((SOUND,), plain, key)
    return plain


@pytest_asyncio.fixture
async def call_id(engine: AsyncEngine, market: Market) -> UUID:
    return await add_sold_call(engine, market)


@pytest_asyncio.fixture
async def plain(engine: AsyncEngine, tmp_path: Path, call_id: UUID) -> Path:
    return await a_recording(engine, tmp_path, call_id)


@pytest_asyncio.fixture
async def site(engine: AsyncEngine, tmp_path: Path, plain: Path) -> Any:
    app = make_app(
        engine,
        secure_cookies=False,
        snapshot_file=tmp_path / "market.json",
        prompts_dir=tmp_path,
        recordings_dir=tmp_path,
    )
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


async def a_user(engine: AsyncEngine, site: TestServer, role: str, name: str, **more: int) -> Client:
    made = await create_user(engine, f"{name}@example.com", PASSWORD, role, **more)
    assert isinstance(made, UserCreated)
    client = open_client(site)
    assert await sign_in(client, f"{name}@example.com") == 303
    return client


async def hearings(engine: AsyncEngine) -> list[tuple[str, str]]:
    async with engine.connect() as connection:
        rows = await connection.execute(
            text("SELECT actor, ref FROM audit_log WHERE kind = 'recordings' AND action = 'hear' ORDER BY id")
        )
        return [(row.actor, row.ref) for row in rows]


async def link_of(client: Client, call_id: UUID) -> str:
    answer = await client.get(f"/calls/{call_id}/recordings/1", allow_redirects=False)
    assert answer.status == 302
    return answer.headers["Location"]


@pytest.mark.parametrize(
    ("span", "start", "stop"),
    [
        (None, 0, len(SOUND)),
        ("bytes=0-", 0, len(SOUND)),
        ("bytes=70000-140000", 70_000, 140_001),
        (f"bytes={len(SOUND) - 5}-", len(SOUND) - 5, len(SOUND)),
        ("bytes=-9", len(SOUND) - 9, len(SOUND)),
    ],
)
async def test_any_part_of_a_sealed_recording_is_played(
    engine: AsyncEngine, site: TestServer, call_id: UUID, span: str | None, start: int, stop: int
) -> None:
    admin = await a_user(engine, site, "admin", "ann")
    link = await link_of(admin, call_id)
    answer = await admin.get(link, headers={"Range": span} if span else {})
    assert answer.status == (206 if span else 200)
    assert await answer.read() == SOUND[start:stop]
    assert answer.headers["Content-Type"] == "audio/wav" and answer.headers["Cache-Control"] == "no-store"
    if span:
        assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(SOUND)}"
    late = await admin.get(link, headers={"Range": f"bytes={len(SOUND)}-"})
    assert late.status == 416 and late.headers["Content-Range"] == f"bytes */{len(SOUND)}"
    head = await admin.head(link)
    assert head.status == 200 and head.headers["Content-Length"] == str(len(SOUND))


async def test_who_heard_it_is_noted_wherever_in_it_they_began(
    engine: AsyncEngine, site: TestServer, call_id: UUID
) -> None:
    manager = await a_user(engine, site, "manager", "max")
    for span in ("bytes=1-", "bytes=70000-", "bytes=0-"):
        answer = await manager.get(f"/calls/{call_id}/recordings/1", headers={"Range": span})
        assert answer.status == 206
    assert await hearings(engine) == [("max@example.com", f"{call_id}-1")], "one hearing, noted once"
    await (await a_user(engine, site, "admin", "ann")).get(f"/calls/{call_id}/recordings/1")
    assert [actor for actor, _ in await hearings(engine)] == ["max@example.com", "ann@example.com"]


async def test_a_stolen_link_plays_for_nobody_else_and_not_for_long(
    engine: AsyncEngine, site: TestServer, call_id: UUID
) -> None:
    admin = await a_user(engine, site, "admin", "ann")
    link = await link_of(admin, call_id)
    assert (await admin.get(link)).status == 200
    other = await a_user(engine, site, "admin", "bob")
    assert (await other.get(link)).status == 404
    assert "/sign-in" in str((await open_client(site).get(link)).url)
    async with engine.connect() as connection:
        user_id = await connection.scalar(text("SELECT id FROM users WHERE email = 'ann@example.com'"))
    before = make_link(user_id, call_id, 1, length_ms=0, now=datetime.now(UTC) - timedelta(minutes=11))
    assert (await admin.get(f"/sounds/{before}")).status == 404
    async with engine.begin() as connection:
        await connection.execute(
            update(tables.users).where(tables.users.c.id == user_id).values(role="analyst")
        )
    assert (await admin.get(link)).status == 403


async def test_a_sound_whose_key_was_destroyed_is_not_there(
    engine: AsyncEngine, site: TestServer, call_id: UUID
) -> None:
    admin = await a_user(engine, site, "admin", "ann")
    link = await link_of(admin, call_id)
    async with engine.begin() as connection:
        await destroy_sound_key(connection, call_id)
    assert (await admin.get(link)).status == 404


async def test_one_that_was_changed_on_the_disk_is_not_played(
    engine: AsyncEngine, site: TestServer, plain: Path, call_id: UUID
) -> None:
    admin = await a_user(engine, site, "admin", "ann")
    sealed_path(plain).write_bytes(sealed_path(plain).read_bytes()[:-40])
    answer = await admin.get(f"/calls/{call_id}/recordings/1")
    assert answer.status == 500 and SOUND[:64] not in await answer.read()


async def test_an_analyst_and_a_publisher_hear_nothing(
    engine: AsyncEngine, site: TestServer, call_id: UUID
) -> None:
    async with engine.connect() as connection:
        publisher_id = await connection.scalar(select(tables.publishers.c.id).limit(1))
        user_id = 1
    link = make_link(user_id, call_id, 1, length_ms=0, now=datetime.now(UTC))
    for role, more in (("analyst", {}), ("publisher", {"publisher_id": publisher_id})):
        client = await a_user(engine, site, role, role, **more)
        for path in (f"/calls/{call_id}/recordings/1", f"/sounds/{link}"):
            assert (await client.get(path)).status == 403
    assert await hearings(engine) == []
