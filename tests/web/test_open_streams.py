"""What somebody watches or speaks over ends within seconds of their session or token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from aiohttp import ClientPayloadError, ClientResponse
from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import api_tokens, dial_codes, users, web_sessions
from tests.web.conftest import Client
from tests.web.users.test_reach import add_token, admins_id
from web.audit_log import views as audit_views
from web.audit_log.queries import Note
from web.calls import download
from web.keys import Role
from web.open_streams import LOOK_SECONDS

SOON_SECONDS = 3 * LOOK_SECONDS + 1

End = Callable[[AsyncEngine], Awaitable[None]]


async def signed_out(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(delete(web_sessions))


async def disabled(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(update(users).values(disabled_at=datetime.now(UTC)))


async def of_another_role(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(update(users).values(role="publisher"))


async def unused_for_long(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(update(web_sessions).values(idle_until=datetime.now(UTC)))


async def ended(stream: ClientResponse, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            while await stream.content.readline():
                pass
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("end", [signed_out, disabled, of_another_role, unused_for_long])
async def test_the_live_board_goes_dark(admin: Client, engine: AsyncEngine, end: End) -> None:
    async with admin.get("/live/events") as stream:
        assert not await ended(stream, 2 * LOOK_SECONDS), "it goes on while they are signed in"
        await end(engine)
        assert await ended(stream, SOON_SECONDS)


async def test_a_token_s_stream_ends_with_the_token(admin: Client, engine: AsyncEngine) -> None:
    token = await add_token(engine, await admins_id(engine), Role.ADMIN)
    async with admin.get("/api/v1/calls/events", headers=token) as stream:
        assert not await ended(stream, 2 * LOOK_SECONDS)
        async with engine.begin() as connection:
            await connection.execute(update(api_tokens).values(revoked_at=datetime.now(UTC)))
        assert await ended(stream, SOON_SECONDS)


@pytest.mark.parametrize("end", [signed_out, disabled])
@pytest.mark.parametrize("path", ["/calls/export.csv", "/audit.csv"])
async def test_a_file_that_is_taken_slowly_is_cut(
    admin: Client, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch, path: str, end: End
) -> None:
    """Hours of callers would still come, read line by line by somebody who may not read any more."""

    async def rows(*_: object) -> AsyncIterator[str]:
        while True:
            yield "a call\n"
            await asyncio.sleep(0.05)

    async def notes(*_: object, **more: int) -> list[Note]:
        await asyncio.sleep(0.05)
        return [note] * more["maximum"]

    note = Note(
        at=datetime.now(UTC),
        actor="a",
        via="page",
        action="b",
        kind="c",
        ref="d",
        before=None,
        after=None,
        note_id=1,
    )
    monkeypatch.setattr(download, "_rows", rows)
    monkeypatch.setattr(audit_views, "read_notes", notes)
    async with admin.get(path) as file:
        assert not await ended(file, 2 * LOOK_SECONDS)
        await end(engine)
        with pytest.raises(ClientPayloadError):
            await ended(file, SOON_SECONDS)


async def test_the_story_of_a_draft_ends(admin: Client, engine: AsyncEngine) -> None:
    code_id, now = UUID(int=7), datetime.now(UTC)
    async with engine.begin() as connection:
        code = {
            "code_digest": b"7",
            "id": code_id,
            "purpose": "draft",
            "user_id": await admins_id(engine),
            "definition": {},
            "expires_at": now + timedelta(minutes=2),
        }
        await connection.execute(insert(dial_codes).values(code))
    async with admin.get(f"/flows/draft-call/{code_id}/events") as stream:
        assert not await ended(stream, 2 * LOOK_SECONDS)
        await signed_out(engine)
        assert await ended(stream, SOON_SECONDS)


async def test_a_screen_nobody_touches_keeps_no_session_alive(admin: Client, engine: AsyncEngine) -> None:
    """The board connects again by itself, and pages draw themselves again when calls move: nobody need be there."""
    async with engine.begin() as connection:
        then = datetime.now(UTC) + timedelta(minutes=5)
        long_ago = datetime.now(UTC) - timedelta(minutes=20)
        await connection.execute(update(web_sessions).values(idle_until=then, last_seen_at=long_ago))
    async with admin.get("/live/events", headers={"Accept": "text/event-stream"}):
        pass
    async with admin.get("/calls", headers={"Tollbridge-By-Itself": "1"}) as page:
        assert page.status == 200
    async with engine.connect() as connection:
        assert (await connection.execute(web_sessions.select())).one().idle_until == then
    async with admin.get("/calls") as page:
        assert page.status == 200
    async with engine.connect() as connection:
        assert (await connection.execute(web_sessions.select())).one().idle_until > then
