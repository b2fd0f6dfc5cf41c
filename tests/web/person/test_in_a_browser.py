"""Chromium plays and seeks a sealed recording by its link, and shows the page of a person's data on any width."""

from __future__ import annotations

import struct
from pathlib import Path

from aiohttp.test_utils import TestServer
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from store.sealed_sound import seal_sound
from store.sound_keys import make_sound_key
from tests.web.browser import open_browser, open_visit
from tests.web.conftest import PASSWORD
from tests.web.market import STARTED_AT, Market, add_sold_call
from web.app import make_app
from web.auth import UserCreated, create_user

SECONDS, RATE = 60, 8_000
_SEEKS = """async () => {
    const sound = document.querySelector('audio');
    sound.muted = true;
    await sound.play();
    sound.currentTime = 45;
    await new Promise(done => sound.addEventListener('seeked', done, {once: true}));
    await new Promise(done => sound.addEventListener('timeupdate', done, {once: true}));
    return [Math.round(sound.duration), sound.currentTime >= 45];
}"""


def a_wav() -> bytes:
    body = bytes(SECONDS * RATE * 2)
    form = struct.pack(
        "<4sI4s4sIHHIIHH", b"RIFF", 36 + len(body), b"WAVE", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16
    )
    return form + struct.pack("<4sI", b"data", len(body)) + body


async def test_a_recording_is_played_and_a_person_is_found(
    engine: AsyncEngine, market: Market, tmp_path: Path
) -> None:
    call_id = await add_sold_call(engine, market)
    plain = tmp_path / f"{call_id}-1.wav"
    stored = {"state": "stored", "length_ms": SECONDS * 1000, "sha256": "ab", "started_at": STARTED_AT}
    async with engine.begin() as connection:
        key = await make_sound_key(connection, call_id)
        row = insert(tables.recordings).values(call_id=call_id, part=1, node="a", file=plain.name, **stored)
        await connection.execute(row)
        await connection.execute(text("UPDATE calls SET state = 'settled'"))
    assert key is not None
    seal_sound((a_wav(),), plain, key)
    assert isinstance(await create_user(engine, "ann@example.com", PASSWORD, "admin"), UserCreated)
    app = make_app(
        engine,
        secure_cookies=False,
        snapshot_file=tmp_path / "market.json",
        prompts_dir=tmp_path,
        recordings_dir=tmp_path,
    )
    server = TestServer(app)
    await server.start_server()
    async with (
        open_browser("--autoplay-policy=no-user-gesture-required") as browser,
        open_visit(browser, str(server.make_url("")).rstrip("/")) as visit,
    ):
        await visit.sign_in("ann@example.com", PASSWORD)
        await visit.go(f"/calls/{call_id}")
        assert await visit.page.evaluate(_SEEKS) == [SECONDS, True]
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE web_sessions SET verified_at = now(), factor_at = now()"))
        for width in (1360, 390):
            await visit.page.set_viewport_size({"width": width, "height": 900})
            await visit.go("/persons")
            await visit.page.get_by_label("Telephone number").fill("+1 614 555 0123")
            await visit.page.get_by_role("button", name="Find").click()
            await visit.page.get_by_role("button", name="Export everything").wait_for()
            assert await visit.overflow_px() <= 0, await visit.wide_elements()
            assert await visit.axe_violations() == []
            await visit.picture(f"person-{width}")
        assert visit.complaints == []
    await server.close()
