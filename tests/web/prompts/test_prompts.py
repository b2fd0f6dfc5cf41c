"""An admin listens to what callers hear; a stranger hears nothing, and nobody gets another file."""

from __future__ import annotations

import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from playwright.async_api import expect
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from asterisk_conf.prompts import system_prompts
from ivr_flows import publishing
from rules.prompt_names import prompt_file
from store import tables
from tests.web.browser import open_browser, open_visit
from tests.web.conftest import EMAIL, PASSWORD, Client

GREETING = "Thank you <b>for</b> calling."
UNSPOKEN = "A draft says this."


def saying(*prompts: str) -> dict[str, Any]:
    plays = {
        f"say{place}": {"kind": "play", "text": text, "exits": {"next": f"say{place + 1}"}}
        for place, text in enumerate(prompts)
    }
    return {
        "format": 1,
        "name": "greeting",
        "entry": "say0",
        "nodes": {**plays, f"say{len(prompts)}": {"kind": "hang_up"}},
    }


def put_sound(file: Path) -> None:
    """A second of a quiet tone."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(file), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(b"\0\0\0\4" * 4000)


@pytest_asyncio.fixture
async def folder(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[Path]:
    """A published flow with a rendered text, an upload that is missing, and a draft that says more."""
    prompts_dir = tmp_path / "prompts"
    put_sound(prompts_dir / prompt_file(GREETING))
    (tmp_path / "secret.wav").write_bytes(b"not for you")
    definition = saying(GREETING, "upload:jingle")
    values = {"name": "greeting", "version": 1, "definition": definition}
    async with engine.begin() as connection:
        await connection.execute(insert(tables.flows).values(published_at=tables.func.now(), **values))
    await publishing.save_draft(engine, "greeting", saying(GREETING, UNSPOKEN), by="ada")
    yield prompts_dir


async def test_each_prompt_is_listed_with_its_sound(admin: Client, folder: Path) -> None:
    async with admin.get("/prompts") as answer:
        page = await answer.text()
    assert answer.status == 200
    assert "Thank you &lt;b&gt;for&lt;/b&gt; calling." in page
    assert 'missing: <a href="/prompts?name=jingle#bring">' in page
    assert UNSPOKEN in page and "not spoken yet" in page
    assert all(text in page for text in system_prompts().values() if "'" not in text)
    async with admin.get(f"/prompts/sound/{prompt_file(GREETING)}") as sound:
        assert sound.status == 200
        assert sound.headers["Content-Type"] == "audio/wav"
        assert await sound.read() == (folder / prompt_file(GREETING)).read_bytes()


@pytest.mark.parametrize(
    "name", ["..%2Fsecret.wav", "%2Fetc%2Fpasswd", "uploads/..%2F..%2Fsecret.wav", "x.wav"]
)
async def test_nothing_else_is_given_out(admin: Client, folder: Path, name: str) -> None:
    async with admin.get(f"/prompts/sound/{name}") as answer:
        assert answer.status == 404


async def test_a_stranger_is_asked_to_sign_in(stranger: Client, folder: Path) -> None:
    for path in ("/prompts", f"/prompts/sound/{prompt_file(GREETING)}"):
        async with stranger.get(path, allow_redirects=False) as answer:
            assert answer.status == 303


async def test_a_flow_that_cannot_be_read_says_so(admin: Client, engine: AsyncEngine) -> None:
    values = {"name": "broken", "version": 1, "definition": {"entry": "nowhere", "nodes": {}}}
    async with engine.begin() as connection:
        await connection.execute(insert(tables.flows).values(published_at=tables.func.now(), **values))
    async with admin.get("/prompts") as answer:
        assert "This flow cannot be read" in await answer.text()


async def test_it_plays_in_a_browser(site: TestServer, folder: Path) -> None:
    async with open_browser() as browser, open_visit(browser, str(site.make_url("")).rstrip("/")) as visit:
        await visit.sign_in(EMAIL, PASSWORD, path="/prompts")
        audio = visit.page.locator("audio").first
        await audio.evaluate("audio => audio.play()")
        await expect(audio).to_have_js_property("ended", True)
        assert await visit.axe_violations() == []
        assert await visit.overflow_px() == 0
        await visit.picture("prompts")
        await visit.page.set_viewport_size({"width": 360, "height": 740})
        assert await visit.overflow_px() == 0, await visit.wide_elements()
        await visit.picture("prompts-phone")
        assert visit.complaints == []
